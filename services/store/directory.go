package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
)

// The directory finds words by how they begin: tags, and users by their name and by the
// words of their full name. A word lies on the shard of its first two characters, so one
// shard answers for a prefix. It is a help to find, not the truth: whoever asks looks
// whether what it found is still so.

const (
	ofUser = "u"
	ofTag  = "t"

	// MinPrefix is how many characters are searched for at least.
	MinPrefix = 2
	// maxWord is how many characters of a word the directory has.
	maxWord = 30
	// maxWords is how many words of a text count.
	maxWords = 10
	// considered is how many entries a search looks at, of the weightiest and of the first
	// by alphabet each: all of a rare prefix, and those of a frequent one that matter.
	considered = 500
)

// shelf is the shard of a word's first two characters.
func (s *Store) shelf(word string) shard.Number {
	return s.shards.ForName("d:" + initials(word))
}

func initials(word string) string { return first(word, MinPrefix) }

// first is the first n characters of text.
func first(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// enter makes the directory say that the words weigh so much; 0: they are not in it.
func (s *Store) enter(ctx context.Context, kind string, user id.ID, weights map[string]int) error {
	asked := map[shard.Number][]any{}
	for word, weight := range weights {
		n := s.shelf(word)
		if asked[n] == nil {
			asked[n] = []any{kind, user, []string{}, []int{}}
		}
		asked[n][2] = append(asked[n][2].([]string), word)
		asked[n][3] = append(asked[n][3].([]int), weight)
	}
	return s.onShards(ctx, asked, nothing, `
		WITH entries AS (
			SELECT * FROM unnest($3::varchar[], $4::bigint[]) e(word, weight)
		), gone AS (
			DELETE FROM shard.directory d USING entries e
			WHERE d.kind = $1 AND d.user_id = $2 AND d.word = e.word COLLATE "C" AND e.weight = 0
		)
		INSERT INTO shard.directory (kind, word, user_id, weight)
		SELECT $1, word, $2, weight FROM entries WHERE weight > 0 ORDER BY word
		ON CONFLICT (kind, word, user_id) DO UPDATE SET weight = excluded.weight WHERE directory.weight <> excluded.weight`)
}

// SearchTags are at most limit tags that begin with prefix, a tag's beginning of at least
// MinPrefix characters: that tag itself first, then those with the most photos.
func (s *Store) SearchTags(ctx context.Context, prefix string, limit int) ([]TagCount, error) {
	var tags []string
	err := s.search(ctx, ofTag, prefix, limit, func(r pgx.Row) error {
		var tag string
		err := r.Scan(&tag, nil)
		tags = append(tags, tag)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("search tags %q: %w", prefix, err)
	}
	counts, err := s.TagCounts(ctx, tags...)
	if err != nil {
		return nil, fmt.Errorf("search tags %q: %w", prefix, err)
	}
	counts = slices.DeleteFunc(counts, func(c TagCount) bool { return c.Media == 0 })
	slices.SortStableFunc(counts, func(a, b TagCount) int {
		if a.Tag == prefix || b.Tag == prefix {
			return cmp.Compare(len(a.Tag), len(b.Tag)) // of all that begin so it is the shortest
		}
		return cmp.Compare(b.Media, a.Media)
	})
	return counts, nil
}

// SearchUsers are at most limit users that the directory finds by the longest of the
// terms, those with the most followers first, roughly. Whether the other terms are
// theirs, too, and this one still, Terms.Match says.
func (s *Store) SearchUsers(ctx context.Context, terms Terms, limit int) ([]id.ID, error) {
	prefix := terms.longest()
	var ids []id.ID
	err := s.search(ctx, ofUser, prefix, limit, func(r pgx.Row) error {
		var user id.ID
		err := r.Scan(nil, &user)
		if !slices.Contains(ids, user) {
			ids = append(ids, user)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("search users %q: %w", prefix, err)
	}
	return ids, nil
}

func (s *Store) search(ctx context.Context, kind, prefix string, limit int, scan func(pgx.Row) error) error {
	asked := map[shard.Number][]any{
		s.shelf(prefix): {kind, initials(prefix), prefix, prefix + string(unicode.MaxRune), considered, limit},
	}
	return s.onShards(ctx, asked, scan, `
		SELECT word, user_id FROM (
			(SELECT word, user_id, weight FROM shard.directory
			WHERE kind = $1 AND left(word, 2) = $2 ORDER BY weight DESC LIMIT $5)
			UNION
			(SELECT word, user_id, weight FROM shard.directory
			WHERE kind = $1 AND word >= $3 AND word < $4 ORDER BY word LIMIT $5)
		) entry
		WHERE starts_with(word, $3) ORDER BY ($1 = 't' AND word = $3) DESC, weight DESC, word, user_id LIMIT $6`)
}

// Terms are what is searched for, as words are compared: in lower case, without accents.
type Terms []string

// TermsOf are those of what somebody typed. ok is false if none is long enough.
func TermsOf(text string) (terms Terms, ok bool) {
	terms = words(text, "._") // which names may have
	return terms, utf8.RuneCountInString(terms.longest()) >= MinPrefix
}

func (t Terms) longest() (longest string) {
	for _, term := range t {
		if utf8.RuneCountInString(term) > utf8.RuneCountInString(longest) {
			longest = term
		}
	}
	return longest
}

// Match says whether each of the terms begins the name or a word of the full name.
func (t Terms) Match(name, fullName string) bool {
	theirs := append(words(fullName, ""), claimed(name))
	for _, term := range t {
		if !slices.ContainsFunc(theirs, func(word string) bool { return strings.HasPrefix(word, term) }) {
			return false
		}
	}
	return len(t) > 0
}

// words are the first of a text, as words are compared. They consist of letters, digits
// and what else is given.
func words(text, also string) []string {
	folded := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(text))
	var words []string
	for _, word := range strings.FieldsFunc(norm.NFKC.String(strings.ToLower(folded)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune(also, r)
	}) {
		if words = union(words, []string{first(word, maxWord)}); len(words) == maxWords {
			break
		}
	}
	return words
}

// entry is what a user's row says about how the directory finds them.
type entry struct {
	name, fullName string
	state          UserState
	followers      int64
	words          []string // that the directory may have
}

// wanted are the words by which the user is to be found.
func (e entry) wanted() []string {
	if e.state != Active {
		return []string{}
	}
	all := append([]string{claimed(e.name)}, words(e.fullName, "")...)
	return slices.DeleteFunc(union(nil, all), func(w string) bool { return utf8.RuneCountInString(w) < MinPrefix })
}

// IndexUser brings the directory to what the user's row says, and orders the task that
// brings the lists there if the user's photos are to be listed no more, or again. It may run any number of times,
// several at once.
//
// The row keeps the words that the directory may have: they are added there before they
// are put there, and removed after.
func (s *Store) IndexUser(ctx context.Context, user id.ID) error {
	err := errors.New("it keeps changing")
	for settled, round := false, 0; !settled && round < syncRounds; round++ {
		if settled, err = s.indexUser(ctx, user); err != nil {
			break
		} else if !settled {
			err = errors.New("it keeps changing")
		}
	}
	if err != nil {
		return fmt.Errorf("index user %s: %w", user, err)
	}
	return nil
}

// indexUser says whether the row stayed as it was meanwhile.
func (s *Store) indexUser(ctx context.Context, user id.ID) (settled bool, err error) {
	p, err := s.at(user)
	if err != nil {
		return true, nil // nobody to be found
	}
	var e entry
	err = p.query(ctx, func(r pgx.Row) error {
		return r.Scan(&e.name, &e.fullName, &e.state, &e.followers, &e.words)
	}, `SELECT name, full_name, state, follower_count, words FROM shard.users WHERE id = $1`, user)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	wanted := e.wanted()
	all := union(e.words, wanted)
	if len(all) > len(e.words) {
		tag, err := p.pool.Exec(ctx, p.in(`UPDATE shard.users SET words = $2 WHERE id = $1 AND words = $3`), user, all, e.words)
		if err != nil || tag.RowsAffected() == 0 {
			return false, err
		}
	}
	weights := make(map[string]int, len(all))
	for _, word := range all {
		if slices.Contains(wanted, word) {
			weights[word] = 1 + bits.Len64(uint64(e.followers))
		} else {
			weights[word] = 0
		}
	}
	if err := s.enter(ctx, ofUser, user, weights); err != nil {
		return false, err
	}
	task, err := p.task(queue.IndexPhotos{User: user})
	if err != nil {
		return false, err
	}
	err = p.query(ctx, func(r pgx.Row) error { return r.Scan(&settled, nil) }, `
		WITH old AS (
			SELECT id, listed FROM shard.users
			WHERE id = $1 AND words = $2 AND name = $4 AND full_name = $5 AND state = $6 FOR NO KEY UPDATE
		), settled AS (
			UPDATE shard.users u SET words = $3, listed = (u.state = 'active' AND NOT u.private)
			FROM old WHERE u.id = old.id RETURNING u.listed <> old.listed AS changed
		)
		SELECT true, CASE WHEN changed THEN burbn.enqueue($7) END FROM settled`,
		user, all, wanted, e.name, e.fullName, e.state, task)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return settled, err
}
