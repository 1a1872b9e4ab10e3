package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Two networks as phones know them. On the one, answers are lost on their way back; on
// the other, requests arrive twice, at once. Whatever a phone writes must be there once.

// sample is a write that is accepted, with what it needs made before.
type sample func(t *testing.T, w *world) (from *client, path, body string)

// samples are one for each operation that writes, by its id.
var samples = map[string]sample{
	"signUp": func(t *testing.T, w *world) (*client, string, string) {
		return &client{w: w}, "", `{"name":"` + databases.Name() + `","password":"correct horse","email":"kevin@example.com"}`
	},
	"logIn": func(t *testing.T, w *world) (*client, string, string) {
		c := w.signedUp(t)
		return &client{w: w}, "", `{"name":"` + c.name + `","password":"correct horse"}`
	},
	"editMe": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), "", `{"fullName":"Kevin S","private":true}`
	},
	"changePassword": func(t *testing.T, w *world) (*client, string, string) {
		return w.signedUp(t), "", `{"current":"correct horse","new":"battery staple"}`
	},
	"deleteMe": func(t *testing.T, w *world) (*client, string, string) {
		return w.signedUp(t), "", `{"password":"correct horse"}`
	},
	"startExport": func(t *testing.T, w *world) (*client, string, string) { return w.client(t), "", "" },
	"deactivate": func(t *testing.T, w *world) (*client, string, string) {
		return w.signedUp(t), "", `{"password":"correct horse"}`
	},
	"logOutElsewhere": func(t *testing.T, w *world) (*client, string, string) {
		c := w.signedUp(t)
		c.do(t, "POST", "/v1/sessions", `{"name":"`+c.name+`","password":"correct horse"}`).is(t, 201)
		return c, "", ""
	},
	"logOutThere": func(t *testing.T, w *world) (*client, string, string) {
		c := w.signedUp(t)
		c.do(t, "POST", "/v1/sessions", `{"name":"`+c.name+`","password":"correct horse"}`).is(t, 201)
		var sessions list[Session]
		c.do(t, "GET", "/v1/sessions", nil).is(t, 200).into(t, &sessions)
		for _, s := range sessions.Items {
			if !s.Current {
				return c, "/v1/sessions/" + s.ID.String(), ""
			}
		}
		t.Fatal("there is no other session")
		return nil, "", ""
	},
	"logOut": func(t *testing.T, w *world) (*client, string, string) { return w.client(t), "", "" },
	"follow": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), "/v1/users/" + w.client(t).user.String() + "/follow", ""
	},
	"unfollow": func(t *testing.T, w *world) (*client, string, string) {
		c, path := w.client(t), "/v1/users/"+w.client(t).user.String()+"/follow"
		c.do(t, "PUT", path, nil).is(t, 200)
		return c, path, ""
	},
	"removeFollower": func(t *testing.T, w *world) (*client, string, string) {
		c, follower := w.client(t), w.client(t)
		follower.relationship(t, "PUT", c.path("/follow"))
		w.sync(t, follower, c)
		return c, "/v1/me/followers/" + follower.user.String(), ""
	},
	"approveFollowRequest": requested,
	"refuseFollowRequest":  requested,
	"block": func(t *testing.T, w *world) (*client, string, string) {
		c, other := w.client(t), w.client(t)
		c.relationship(t, "PUT", other.path("/follow"))
		w.sync(t, c, other)
		return c, other.path("/block"), ""
	},
	"unblock": func(t *testing.T, w *world) (*client, string, string) {
		c, path := w.client(t), w.client(t).path("/block")
		c.relationship(t, "PUT", path)
		return c, path, ""
	},
	"mute": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), w.client(t).path("/mute"), ""
	},
	"unmute": func(t *testing.T, w *world) (*client, string, string) {
		c, path := w.client(t), w.client(t).path("/mute")
		c.relationship(t, "PUT", path)
		return c, path, ""
	},
	"createUpload": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), "", `{"contentType":"image/jpeg","size":5}`
	},
	"publish": func(t *testing.T, w *world) (*client, string, string) {
		c := w.client(t)
		u := c.upload(t, 5)
		if status := u.put(t, []byte("photo")); status != 200 {
			t.Fatalf("storage answers %d", status)
		}
		return c, "", `{"upload":"` + u.ID.String() + `","caption":"Golden Gate"}`
	},
	"editMedia": func(t *testing.T, w *world) (*client, string, string) {
		c := w.client(t)
		return c, "/v1/media/" + w.ready(t, c.post(t, "")).String(), `{"caption":"#fog"}`
	},
	"deleteMedia": func(t *testing.T, w *world) (*client, string, string) {
		c := w.client(t)
		return c, "/v1/media/" + w.ready(t, c.post(t, "")).String(), ""
	},
	"saveMedia": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), "/v1/media/" + w.ready(t, w.client(t).post(t, "")).String() + "/save", ""
	},
	"unsaveMedia": func(t *testing.T, w *world) (*client, string, string) {
		c, path := w.client(t), "/v1/media/"+w.ready(t, w.client(t).post(t, "")).String()+"/save"
		c.do(t, "PUT", path, nil).is(t, 204)
		return c, path, ""
	},
	"setLink": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), "/v1/me/links/facebook", `{"token":"t","account":"Maya"}`
	},
	"deleteLink": func(t *testing.T, w *world) (*client, string, string) {
		c := w.client(t)
		c.do(t, "PUT", "/v1/me/links/facebook", `{"token":"t","account":"Maya"}`).is(t, 200)
		return c, "/v1/me/links/facebook", ""
	},
	"like": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), "/v1/media/" + w.ready(t, w.client(t).post(t, "")).String() + "/like", ""
	},
	"unlike": func(t *testing.T, w *world) (*client, string, string) {
		c, path := w.client(t), "/v1/media/"+w.ready(t, w.client(t).post(t, "")).String()+"/like"
		c.do(t, "PUT", path, nil).is(t, 204)
		return c, path, ""
	},
	"comment": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), "/v1/media/" + w.ready(t, w.client(t).post(t, "")).String() + "/comments", `{"text":"once"}`
	},
	"deleteComment": func(t *testing.T, w *world) (*client, string, string) {
		c, path := w.client(t), "/v1/media/"+w.ready(t, w.client(t).post(t, "")).String()+"/comments"
		var made Comment
		c.do(t, "POST", path, `{"text":"x"}`).is(t, 201).into(t, &made)
		return c, path + "/" + made.ID.String(), ""
	},
	"seeActivity": func(t *testing.T, w *world) (*client, string, string) {
		c, fan := w.client(t), w.client(t)
		fan.do(t, "PUT", "/v1/media/"+w.ready(t, c.post(t, "")).String()+"/like", nil).is(t, 204)
		return c, "", `{"id":"4611686018427387904"}`
	},
	"setNotifications": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), "", `{"like":false,"comment":true,"follow":true,"request":true,"approval":true,"mention":true}`
	},
	"report": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), "", `{"subject":"user","id":"` + w.client(t).user.String() + `","reason":"spam","note":"sells watches"}`
	},
	"registerDevice": func(t *testing.T, w *world) (*client, string, string) {
		return w.client(t), "", `{"token":"` + newToken() + `"}`
	},
	"forgetDevice": func(t *testing.T, w *world) (*client, string, string) {
		c, token := w.client(t), newToken()
		c.do(t, "POST", "/v1/devices", `{"token":"`+token+`"}`).is(t, 204)
		return c, "/v1/devices/" + token, ""
	},
}

// requested is an answer to a request to follow.
func requested(t *testing.T, w *world) (*client, string, string) {
	c, follower := w.client(t), w.client(t)
	c.setPrivate(t, true)
	follower.relationship(t, "PUT", c.path("/follow"))
	w.sync(t, follower, c)
	return c, "/v1/me/follow-requests/" + follower.user.String(), ""
}

// signedUp is a phone of an account whose password is "correct horse".
func (w *world) signedUp(t *testing.T) *client {
	t.Helper()
	c := &client{w: w, name: databases.Name()}
	var in loggedIn
	c.do(t, "POST", "/v1/users", `{"name":"`+c.name+`","password":"correct horse","email":"kevin@example.com"}`).is(t, 201).into(t, &in)
	c.user, c.token = in.User.ID, in.Token
	return c
}

// newToken is the token of a device that nobody has registered.
func newToken() string { return fmt.Sprintf("%064d", time.Now().UnixNano()) }

// badNetwork is a way to the API; each request that takes it is a phone's one attempt.
type badNetwork struct {
	name string
	// carry takes a request to the API, which may bear a key, and brings the answer back,
	// or nil.
	carry func(t *testing.T, keyed bool, send func() answer) *answer
}

var badNetworks = []badNetwork{
	{"answers are lost", func() func(*testing.T, bool, func() answer) *answer {
		var mu sync.Mutex
		lost := map[*testing.T]int{}
		return func(t *testing.T, _ bool, send func() answer) *answer {
			a := send()
			mu.Lock()
			defer mu.Unlock()
			if lost[t]++; lost[t] <= 2 {
				return nil
			}
			return &a
		}
	}()},
	{"requests arrive twice", func(t *testing.T, keyed bool, send func() answer) *answer {
		var both [2]answer
		var wg sync.WaitGroup
		for i := range both {
			wg.Go(func() { both[i] = send() })
		}
		wg.Wait()
		switch {
		case ended(both[0]): // by the other
			return &both[1]
		case keyed && !ended(both[1]) && (both[0].status != both[1].status || !bytes.Equal(both[0].body, both[1].body)):
			t.Errorf("answers differ: %d %s and %d %s", both[0].status, both[0].body, both[1].status, both[1].body)
		}
		return &both[0]
	}},
}

// ended says that an answer is the one to who has no session any more.
func ended(a answer) bool {
	return a.status == 401 && bytes.Contains(a.body, []byte(sessionEnded.Code))
}

// through is a proxy on the network before the API.
func (n badNetwork) through(t *testing.T, w *world) (url string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got := n.carry(t, r.Header.Get("Idempotency-Key") != "", func() answer {
			out, err := http.NewRequestWithContext(t.Context(), r.Method, w.url+r.URL.RequestURI(), bytes.NewReader(body))
			if err != nil {
				t.Error(err)
			}
			out.Header = r.Header.Clone()
			return send(t, out)
		})
		if got == nil {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(rw.Header(), got.header)
		rw.WriteHeader(got.status)
		rw.Write(got.body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// insist sends a request until an answer comes.
func insist(t *testing.T, request func() *http.Request) answer {
	t.Helper()
	var err error
	for range 5 {
		var res *http.Response
		if res, err = http.DefaultClient.Do(request()); err != nil {
			continue
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer{res.StatusCode, res.Header, b}
	}
	t.Fatal(err)
	return answer{}
}

func TestWritesAreDoneOnce(t *testing.T) {
	w := newWorld(t)
	_, d := openapi(t)
	all := openTables(t)
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			op := d.Paths[path][method]
			if method == "get" {
				continue
			}
			t.Run(op.OperationID, func(t *testing.T) {
				sample := samples[op.OperationID]
				if sample == nil {
					t.Fatalf("%s %s has no sample: add to samples a request of it that is accepted", method, path)
				}
				ends := false // the session in which it is sent
				// once does it and says what there is more of.
				once := func(t *testing.T, url, key string) map[string]int64 {
					t.Helper()
					from, at, body := sample(t, w)
					before := count(t, all)
					a := insist(t, func() *http.Request {
						return from.request(t, url, key, strings.ToUpper(method), cmp.Or(at, path), body)
					})
					// Without a key, who asks again may be told that there is nothing to do.
					if a.status >= 300 && !(ends && ended(a)) && (key != "" || url == w.url || a.status >= 500) {
						t.Fatalf("answer = %d %s, want the one to success", a.status, a.body)
					}
					more := count(t, all)
					for table, n := range before {
						if more[table] -= n; more[table] == 0 {
							delete(more, table)
						}
					}
					return more
				}
				want := once(t, w.url, "")
				ends = want["sessions"] < 0
				check := func(t *testing.T, n badNetwork, key string) {
					t.Helper()
					got, want := once(t, n.through(t, w), key), maps.Clone(want)
					if key == "" { // a task may be ordered again: they are idempotent
						delete(got, "river_job")
						delete(want, "river_job")
					}
					if !maps.Equal(got, want) {
						t.Errorf("there is more of %v, want %v", got, want)
					}
				}
				for i, n := range badNetworks {
					t.Run(n.name, func(t *testing.T) { check(t, n, fmt.Sprint(op.OperationID, i, databases.Name())) })
					if method == "put" || method == "delete" {
						t.Run(n.name+", no key", func(t *testing.T) { check(t, n, "") })
					}
				}
			})
		}
	}
}

// tables count what is in the databases.
type tables struct {
	db  *pgx.Conn
	sql string
}

// openTables prepares the counting of every table, on all shards together, and of the
// sums of its counters. The keys of requests, which are to differ, are left out.
func openTables(t *testing.T) (all []tables) {
	t.Helper()
	for _, db := range databases.Stores(t).Shards.Databases {
		var schemas []string
		for n := db.First; n <= db.Last; n++ {
			schemas = append(schemas, n.Schema())
		}
		in := tables{db: databases.Owner(t, db.Name)}
		if err := in.db.QueryRow(t.Context(), `
			SELECT string_agg(format('SELECT %L, (SELECT %s FROM %I.%I)', name, what, table_schema, table_name), ' UNION ALL ') FROM (
				SELECT table_schema, table_name, table_name AS name, 'count(*)' AS what FROM information_schema.tables
				WHERE table_schema = ANY($1) AND table_name <> 'requests' OR table_name = 'river_job'
				UNION ALL
				SELECT table_schema, table_name, table_name || '.' || column_name, format('coalesce(sum(%I), 0)', column_name)
				FROM information_schema.columns WHERE table_schema = ANY($1) AND column_name LIKE '%\_count'
			) AS counted`, schemas).Scan(&in.sql); err != nil {
			t.Fatal(err)
		}
		all = append(all, in)
	}
	return all
}

func count(t *testing.T, all []tables) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	for _, in := range all {
		counts, err := in.db.Query(t.Context(), in.sql)
		if err != nil {
			t.Fatal(err)
		}
		var name string
		var n int64
		if _, err := pgx.ForEachRow(counts, []any{&name, &n}, func() error {
			found[name] += n
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return found
}
