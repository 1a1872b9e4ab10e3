package store_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// named makes a user of that full name, whom the directory has.
func named(t testing.TB, fullName string) store.User {
	t.Helper()
	s := databases.Store(t)
	u, err := s.CreateUser(t.Context(), store.NewUser{Name: databases.Name(), FullName: fullName})
	if err == nil {
		err = s.IndexUser(t.Context(), u.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func finds(t testing.TB, q string) []id.ID {
	t.Helper()
	terms, ok := store.TermsOf(q)
	if !ok {
		t.Fatalf("nothing to search for in %q", q)
	}
	ids, err := databases.Store(t).SearchUsers(t.Context(), terms, 100)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestIndexUser(t *testing.T) {
	s := databases.Store(t)
	u := named(t, "Zoë Quimby-O'Hara")
	all := []string{u.Name, "Zoë", "zoe", "QUIM", "o'hara", "hara zo"}
	for _, tt := range []struct {
		name, set   string
		by, not     []string
		photosTasks int // so far
	}{
		{"new", "full_name = full_name", all, []string{"quimbyx"}, 0},
		{"renamed", "full_name = 'Zoë Umber'", []string{u.Name, "zo", "umb"}, []string{"quim", "hara"}, 0},
		{"popular", "follower_count = 1000", []string{u.Name, "umber"}, nil, 0},
		{"private", "private = true", []string{u.Name, "umber"}, nil, 1},
		{"still private", "bio = 'x'", []string{u.Name, "umber"}, nil, 1},
		{"suspended", "state = 'suspended'", nil, []string{u.Name, "zo", "umber"}, 1},
		{"back and public", "state = 'active', private = false", []string{u.Name, "umber"}, nil, 2},
		{"deleting", "state = 'deleting'", nil, []string{u.Name, "zo", "umber"}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			value[bool](t, u.ID, `UPDATE shard.users SET `+tt.set+` WHERE id = $1 RETURNING true`, u.ID)
			for range 2 { // tasks may be done twice
				if err := s.IndexUser(t.Context(), u.ID); err != nil {
					t.Fatal(err)
				}
			}
			for _, q := range tt.by {
				if !slices.Contains(finds(t, q), u.ID) {
					t.Errorf("%q does not find them", q)
				}
			}
			for _, q := range tt.not {
				if slices.Contains(finds(t, q), u.ID) {
					t.Errorf("%q finds them", q)
				}
			}
			if n := tasks(t, u.ID, "index_photos", `{"user": "`+u.ID.String()+`"}`); n != tt.photosTasks {
				t.Errorf("%d tasks for the photos, want %d", n, tt.photosTasks)
			}
		})
	}
	if words := value[[]string](t, u.ID, `SELECT words FROM shard.users WHERE id = $1`, u.ID); len(words) != 0 {
		t.Errorf("the row of one who is gone has the words %q", words)
	}
}

// Who has more followers comes first, and a common prefix does not hide them.
func TestSearchUsersOrder(t *testing.T) {
	var want []id.ID
	for _, followers := range []int{3, 5000, 100} {
		u := named(t, "Xylo Test")
		value[bool](t, u.ID, `UPDATE shard.users SET follower_count = $2 WHERE id = $1 RETURNING true`, u.ID, followers)
		if err := databases.Store(t).IndexUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		want = append(want, u.ID)
	}
	want[0], want[1], want[2] = want[1], want[2], want[0]
	// More words that begin so than a search looks at, all before theirs by alphabet.
	n := databases.Store(t).Shards().ForName("d:xy")
	value[bool](t, id.ID(n)<<id.SequenceBits, `
		WITH many AS (
			INSERT INTO shard.directory (kind, word, user_id, weight)
			SELECT 'u', 'xya' || n, 1, 1 FROM generate_series(1, 2000) n RETURNING 1
		) SELECT count(*) = 2000 FROM many`)
	for _, q := range []string{"xy", "xyl", "xylo"} {
		if got := finds(t, q); len(got) < 3 || !slices.Equal(got[:3], want) {
			t.Errorf("%q finds %v, want %v first", q, got, want)
		}
	}
}

func TestTerms(t *testing.T) {
	for _, tt := range []struct {
		q, name, fullName string
		ok, match         bool
	}{
		{"Kev", "kevin", "", true, true},
		{"kevin_s.", "Kevin_S.trom", "", true, true},
		{"jose", "jm", "José María", true, true},
		{"maría jo", "jm", "Jose Maria", true, true},
		{"maria jx", "jm", "Jose Maria", true, false},
		{"İst", "a", "istanbul", true, true},
		{"ＫＥＶ", "kevin", "", true, true},
		{"李小", "bruce", "李小龍", true, true},
		{"小龍", "bruce", "李小龍", true, false},
		{"k", "kevin", "", false, true},
		{"k e v", "kev", "", false, false},
		{" !? ", "kevin", "", false, false},
		{"%", "kevin", "", false, false},
		{"__", "__", "", true, true},
	} {
		terms, ok := store.TermsOf(tt.q)
		if ok != tt.ok || terms.Match(tt.name, tt.fullName) != tt.match {
			t.Errorf("%q = %q, %v; match %q, %q: %v", tt.q, terms, ok, tt.name, tt.fullName, !tt.match)
		}
	}
}

func FuzzTerms(f *testing.F) {
	f.Add("Maya Ferrandiz")
	f.Add("İ ﷺ \xff\x00 a\u0301")
	f.Fuzz(func(t *testing.T, text string) {
		terms, ok := store.TermsOf(text)
		for _, term := range terms {
			if n := utf8.RuneCountInString(term); n == 0 || n > 30 || !utf8.ValidString(term) {
				t.Errorf("term %q of %q", term, text)
			}
		}
		if ok && !strings.ContainsAny(text, "._") && !terms.Match("", text) && !strings.ContainsAny(strings.Join(terms, ""), "._") {
			t.Errorf("%q does not find itself: %q", text, terms)
		}
	})
}
