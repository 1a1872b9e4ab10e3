package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/geo"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/queue"
	"github.com/burbn/burbn/services/shard"
)

// Listings say which photos have a tag, and which were taken in a cell of the earth: those
// that anybody may see. A list lies on the shard of its name, so a task brings it to what
// the photo's row says, and whoever reads one asks the rows what is so by now.

func tagList(tag string) string   { return "t:" + tag }
func cellList(cell string) string { return "g:" + cell }

// listing is what a photo's row says about where the photo is to be listed.
type listing struct {
	user id.ID
	seen bool // by anybody, or it is in no list
	queue.Indexed
}

// lists are the names of those in which what is indexed so stands.
func lists(i queue.Indexed) []string {
	var names []string
	for _, tag := range i.Tags {
		names = append(names, tagList(tag))
	}
	if i.Latitude != nil && i.Longitude != nil {
		names = append(names, cellList(geo.Cell(*i.Latitude, *i.Longitude)))
	}
	return names
}

// Index brings the lists of tags and places to what the photo's row says. It may run any
// number of times, several at once: as SyncFollow, it asks again after it has written.
func (s *Store) Index(ctx context.Context, task queue.Index) error {
	if err := s.index(ctx, task.Media, task.Was); err != nil {
		return fmt.Errorf("index media %s: %w", task.Media, err)
	}
	return nil
}

func (s *Store) index(ctx context.Context, media id.ID, was queue.Indexed) error {
	now, err := s.listing(ctx, media)
	if err != nil {
		return err
	}
	touched, tags := lists(was), slices.Clone(was.Tags)
	for range syncRounds {
		touched = union(touched, lists(now.Indexed))
		tags = union(tags, now.Tags)
		if err := s.list(ctx, media, now, touched); err != nil {
			return err
		}
		wrote := now
		if len(touched) > 0 {
			if now, err = s.listing(ctx, media); err != nil {
				return err
			}
		}
		if reflect.DeepEqual(now, wrote) {
			return s.weighTags(ctx, tags)
		}
	}
	return errors.New("it keeps changing")
}

// listing is that of a photo; of one that does not exist it is empty.
func (s *Store) listing(ctx context.Context, media id.ID) (l listing, err error) {
	p, err := s.at(media)
	if err == nil {
		err = p.query(ctx, func(r pgx.Row) error {
			return r.Scan(&l.user, &l.seen, &l.Tags, &l.Latitude, &l.Longitude)
		}, `
			SELECT m.user_id, m.state = 'ready' AND NOT m.hidden AND u.state = 'active' AND NOT u.private,
				m.tags, m.latitude, m.longitude
			FROM shard.media m JOIN shard.users u ON u.id = m.user_id WHERE m.id = $1`, media)
	}
	if errors.Is(err, ErrNotFound) {
		return listing{}, nil
	}
	return l, err
}

// list puts a photo into those of the lists where it belongs, and takes it out of the others.
func (s *Store) list(ctx context.Context, media id.ID, l listing, touched []string) error {
	var in []string
	if l.seen {
		in = lists(l.Indexed)
	}
	asked := map[shard.Number][]any{}
	for _, name := range touched {
		n := s.shards.ForName(name)
		if asked[n] == nil {
			asked[n] = []any{media, []string{}, []string{}, l.user, l.Latitude, l.Longitude}
		}
		which := 2
		if slices.Contains(in, name) {
			which = 1
		}
		asked[n][which] = append(asked[n][which].([]string), name)
	}
	// Rows of lists are locked in the order of their names, as far as one statement can
	// tell; a deadlock of two photos makes one of the tasks run again.
	return s.onShards(ctx, asked, nothing, `
		WITH added AS (
			INSERT INTO shard.listings (list, media_id, user_id, latitude, longitude)
			SELECT name, $1, $4, $5, $6 FROM unnest($2::varchar[]) name
			ON CONFLICT DO NOTHING RETURNING list
		), moved AS (
			UPDATE shard.listings SET latitude = $5, longitude = $6
			WHERE list = ANY($2::varchar[]) AND media_id = $1
				AND (latitude, longitude) IS DISTINCT FROM ($5::double precision, $6::double precision)
		), removed AS (
			DELETE FROM shard.listings WHERE list = ANY($3::varchar[]) AND media_id = $1 RETURNING list
		), less AS (
			UPDATE shard.lists SET media_count = media_count - 1 WHERE list IN (SELECT list FROM removed)
		)
		INSERT INTO shard.lists (list, media_count)
		SELECT list, 1 FROM added WHERE starts_with(list, 't:') ORDER BY list
		ON CONFLICT (list) DO UPDATE SET media_count = lists.media_count + 1`)
}

func nothing(pgx.Row) error { return nil }

// TagCount is how many photos of a tag anybody may see.
type TagCount struct {
	Tag   string
	Media int64
}

// TagCounts are those of the tags, in their order, by one round trip to each database
// concerned.
func (s *Store) TagCounts(ctx context.Context, tags ...string) ([]TagCount, error) {
	asked := map[shard.Number][]any{}
	for _, tag := range tags {
		name := tagList(tag)
		n := s.shards.ForName(name)
		if asked[n] == nil {
			asked[n] = []any{[]string{}}
		}
		asked[n][0] = append(asked[n][0].([]string), name)
	}
	counts := make(map[string]int64, len(tags))
	err := s.onShards(ctx, asked, func(r pgx.Row) error {
		var name string
		var n int64
		err := r.Scan(&name, &n)
		counts[name] = n
		return err
	}, `SELECT list, media_count FROM shard.lists WHERE list = ANY($1::varchar[])`)
	if err != nil {
		return nil, fmt.Errorf("count media of %d tags: %w", len(tags), err)
	}
	out := make([]TagCount, len(tags))
	for i, tag := range tags {
		out[i] = TagCount{tag, counts[tagList(tag)]}
	}
	return out, nil
}

// weighTags brings the directory to what the lists of the tags count. A tag weighs as often
// as its photos have doubled in number, so that a popular tag's entry is seldom written.
func (s *Store) weighTags(ctx context.Context, tags []string) error {
	if len(tags) == 0 {
		return nil
	}
	weights, err := s.tagWeights(ctx, tags)
	for range syncRounds {
		if err != nil {
			return err
		}
		if err = s.enter(ctx, ofTag, 0, weights); err != nil {
			return err
		}
		wrote := weights
		if weights, err = s.tagWeights(ctx, tags); err == nil && reflect.DeepEqual(weights, wrote) {
			return nil
		}
	}
	return cmp.Or(err, errors.New("the counts of its tags keep changing"))
}

func (s *Store) tagWeights(ctx context.Context, tags []string) (map[string]int, error) {
	counts, err := s.TagCounts(ctx, tags...)
	weights := make(map[string]int, len(counts))
	for _, c := range counts {
		weights[c.Tag] = bits.Len64(uint64(c.Media))
	}
	return weights, err
}

// TagMedia are at most limit photos of a tag, newest first, from the one before before
// (0: the newest). Some may be no more what they were when they were listed.
func (s *Store) TagMedia(ctx context.Context, tag string, before id.ID, limit int) ([]id.ID, error) {
	name := tagList(tag)
	p, err := s.atShard(s.shards.ForName(name))
	var ids []id.ID
	if err == nil {
		var rows pgx.Rows
		rows, err = p.pool.Query(ctx, p.in(`
			SELECT media_id FROM shard.listings WHERE list = $1 AND media_id < $2
			ORDER BY media_id DESC LIMIT $3`), name, cmp.Or(before, newest), limit)
		if err == nil {
			ids, err = pgx.CollectRows(rows, pgx.RowTo[id.ID])
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read media of tag %q: %w", tag, err)
	}
	return ids, nil
}

const (
	newest id.ID = 1<<63 - 1 // above every id
	// nearby is how many photos of a cell one page looks at.
	nearby = 1000
)

// MediaNear are photos that were taken in a circle, newest first, from the one before before
// (0: the newest), and from which on to ask for more (0: there are none). At most limit,
// and perhaps fewer though there are more, because the older photos of a busy place are not
// looked at in one go. Some may lie a little outside, or be no more what they were when they were
// listed. It makes one round trip to each database concerned.
func (s *Store) MediaNear(ctx context.Context, c geo.Circle, before id.ID, limit int) (ids []id.ID, next id.ID, err error) {
	asked := map[shard.Number][]any{}
	for _, cell := range c.Cells() {
		name := cellList(cell)
		n := s.shards.ForName(name)
		if asked[n] == nil {
			west, east := c.Meridians()
			asked[n] = []any{[]string{}, cmp.Or(before, newest), nearby, c.South, c.North, west, east, limit + 1}
		}
		asked[n][0] = append(asked[n][0].([]string), name)
	}
	type row struct {
		media  id.ID
		inside bool
		place  int // among those of its cell that were looked at, from 1
	}
	cells := map[string][]row{}
	err = s.onShards(ctx, asked, func(r pgx.Row) error {
		var cell string
		var photo row
		err := r.Scan(&cell, &photo.media, &photo.inside, &photo.place)
		cells[cell] = append(cells[cell], photo)
		return err
	}, `
		SELECT name, media_id, inside, place FROM unnest($1::varchar[]) name CROSS JOIN LATERAL (
			SELECT * FROM (
				SELECT media_id, row_number() OVER (ORDER BY media_id DESC) AS place,
					latitude BETWEEN $4 AND $5 AND CASE WHEN $6::double precision <= $7::double precision
						THEN longitude BETWEEN $6 AND $7 ELSE longitude >= $6 OR longitude <= $7 END AS inside
				FROM (
					SELECT * FROM shard.listings WHERE list = name AND media_id < $2
					ORDER BY media_id DESC LIMIT $3
				) looked
			) found
			WHERE inside OR place = $3 ORDER BY media_id DESC LIMIT $8
		) photo ORDER BY name, media_id DESC`)
	if err != nil {
		return nil, 0, fmt.Errorf("read media near a place: %w", err)
	}
	// Down to where each cell was looked at in full, the photos of all are complete.
	for _, rows := range cells {
		if last := rows[len(rows)-1]; last.place == nearby || len(rows) > limit {
			next = max(next, last.media)
		}
	}
	for _, rows := range cells {
		for _, photo := range rows {
			if photo.inside && photo.media >= next {
				ids = append(ids, photo.media)
			}
		}
	}
	slices.SortFunc(ids, func(a, b id.ID) int { return cmp.Compare(b, a) })
	if len(ids) > limit {
		ids = ids[:limit]
		next = ids[limit-1]
	}
	return ids, next, nil
}

// Tagged are at most limit photos of user that have tags or a place, from the one after
// after, by id, in whatever state.
func (s *Store) Tagged(ctx context.Context, user, after id.ID, limit int) ([]id.ID, error) {
	ids, err := s.ids(ctx, user, `
		SELECT id FROM shard.media WHERE user_id = $1 AND id > $2 AND (tags <> '{}' OR latitude IS NOT NULL)
		ORDER BY id LIMIT $3`, user, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read tagged media of user %s: %w", user, err)
	}
	return ids, nil
}

// IndexNext orders the indexing of the next chunk of a user's photos, once however often
// the task of the chunk before it is repeated.
func (s *Store) IndexNext(ctx context.Context, next queue.IndexPhotos) error {
	if err := s.next(ctx, next.User, next); err != nil {
		return fmt.Errorf("order next index of photos of user %s: %w", next.User, err)
	}
	return nil
}

// Popular are at most limit photos that anybody may see and that somebody likes, those
// with the most likes and comments for their age first: of each logical shard's newest, at most each of
// one author. What it costs depends on the number of logical shards, and on nothing else:
// neither on how many photos there are nor on how old. It makes one round trip to each database.
func (s *Store) Popular(ctx context.Context, limit, each int) ([]id.ID, error) {
	type photo struct {
		media, user id.ID
		score       float64
	}
	asked := make(map[shard.Number][]any, s.shards.Count)
	for n := range s.shards.Count {
		asked[shard.Number(n)] = []any{max(recentEach, limit), max(popularEach, 4*limit/s.shards.Count)}
	}
	var photos []photo
	err := s.onShards(ctx, asked, func(r pgx.Row) error {
		var p photo
		err := r.Scan(&p.media, &p.user, &p.score)
		photos = append(photos, p)
		return err
	}, `
		SELECT m.id, m.user_id,
			((m.like_count + 2 * m.comment_count) / power(extract(epoch FROM now() - m.created_at) / 3600 + 2, 1.5))::double precision AS score
		FROM (
			SELECT id, user_id, like_count, comment_count, created_at, state, hidden FROM shard.media ORDER BY id DESC LIMIT $1
		) m JOIN shard.users u ON u.id = m.user_id
		WHERE m.state = 'ready' AND NOT m.hidden AND m.like_count > 0 AND u.state = 'active' AND NOT u.private
		ORDER BY score DESC LIMIT $2`)
	if err != nil {
		return nil, fmt.Errorf("read popular media: %w", err)
	}
	slices.SortFunc(photos, func(a, b photo) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.media, a.media))
	})
	var ids []id.ID
	of := map[id.ID]int{} // by author
	for _, p := range photos {
		if of[p.user]++; of[p.user] <= each && len(ids) < limit {
			ids = append(ids, p.media)
		}
	}
	return ids, nil
}

const (
	// recentEach is how many of a shard's newest photos may become popular, at least.
	recentEach = 200
	// popularEach is how many of them do, at least.
	popularEach = 10
)

// union is a and what of b is not in it.
func union(a, b []string) []string {
	a = slices.Clip(a)
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}
