package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/shard"
	"github.com/burbn/burbn/services/store"
)

// expected is who may do what: a line for each way to stand to somebody, a column for each
// thing of theirs that requests are about.
//
//	user    they themselves
//	circle  what a private account keeps to those whom it approved
//	photo   a photo of theirs
//	author  a photo of theirs, for its author alone
//	feed    a list of photos of those whom the asker follows
//	found   a list of photos of anybody
//	kept    a list of photos that the asker made
//	people  a list of people that they are in
//	self    what is the asker's own; nobody else can ask for it
//
// ok is success; shown and hidden are success with the photo or the user in the answer,
// and without; - is not asked. Whoever stands below stranger follows them, unless a block
// or a private account forbids it.
const expected = `
                  user     circle   photo     author    feed    found   kept    people  self
stranger          ok       ok       ok        no-media  hidden  shown   shown   shown   -
follower          ok       ok       ok        no-media  shown   shown   shown   shown   -
muting            ok       ok       ok        no-media  hidden  hidden  shown   shown   -
blocking          no-user  no-user  no-media  no-media  hidden  hidden  hidden  hidden  -
blocked           no-user  no-user  no-media  no-media  hidden  hidden  hidden  hidden  -
private-stranger  ok       private  no-media  no-media  hidden  hidden  hidden  shown   -
private-asking    ok       private  no-media  no-media  hidden  hidden  hidden  shown   -
private-follower  ok       ok       ok        no-media  shown   hidden  shown   shown   -
deactivated       no-user  no-user  no-media  no-media  hidden  hidden  hidden  hidden  -
suspended         no-user  no-user  no-media  no-media  hidden  hidden  hidden  hidden  -
deleting          no-user  no-user  no-media  no-media  hidden  hidden  hidden  hidden  -
taken-down        ok       ok       no-media  no-media  hidden  hidden  hidden  shown   -
owner             ok       ok       ok        ok        shown   shown   shown   shown   ok
owner-taken-down  ok       ok       ok        ok        shown   hidden  shown   shown   -
`

// refusals are what the words of the table stand for.
var refusals = map[string]string{
	"no-user":  "404 user_not_found",
	"no-media": "404 media_not_found",
	"private":  "403 account_private",
}

// rule is what an operation is about, and what there is to say of it besides.
type rule struct {
	about string            // a column of expected
	but   map[string]string // standings that are answered otherwise: "400 cannot_follow_yourself"
	// made makes what the request is for, by people who may, and returns its path; nil: the
	// document's, with the id or the name of whom or what it is about.
	made func(t *testing.T, s *scene) (path string)
	body string // in which {media} and {user} stand for ids
}

// rules are one for each operation of the document, by its id. Writes to what is the
// asker's own are those of samples.
var rules = map[string]rule{
	"signUp":          {about: "self"},
	"logIn":           {about: "self"},
	"listSessions":    {about: "self"},
	"logOut":          {about: "self"},
	"logOutElsewhere": {about: "self"},
	"logOutThere":     {about: "self"},
	"getMe":           {about: "self"},
	"editMe":          {about: "self"},
	"changePassword":  {about: "self"},
	"deactivate":      {about: "self"},

	"getUser":       {about: "user"},
	"getUserByName": {about: "user"},
	"follow":        {about: "user", but: oneself("400 cannot_follow_yourself")},
	"unfollow":      {about: "user", but: undoing(oneself("400 cannot_follow_yourself"))},
	"listFollowers": {about: "circle"},
	"listFollowing": {about: "circle"},
	"block":         {about: "user", but: blocking(oneself("400 cannot_bar_yourself"))},
	"unblock":       {about: "user", but: blocking(oneself("400 cannot_bar_yourself"))},
	"mute":          {about: "user", but: oneself("400 cannot_bar_yourself")},
	"unmute":        {about: "user", but: oneself("400 cannot_bar_yourself")},

	"removeFollower":       {about: "self"},
	"listFollowRequests":   {about: "self"},
	"approveFollowRequest": {about: "self"},
	"refuseFollowRequest":  {about: "self"},
	"listBlocks":           {about: "self"},
	"listMutes":            {about: "self"},
	"listSuggestions":      {about: "self"},
	"listRelationships": {about: "people", but: map[string]string{"blocking": "shown"},
		made: func(_ *testing.T, s *scene) string { return "/v1/relationships?ids=" + s.owner.user.String() }},

	"createUpload": {about: "self"},
	"publish":      {about: "self"},
	"getMedia":     {about: "photo"},
	"listMedia":    {about: "circle"},
	"editMedia":    {about: "author", body: `{"caption":"Baker Beach"}`},
	"deleteMedia":  {about: "author"},
	"listShares":   {about: "author"},
	"saveMedia":    {about: "photo"},
	"unsaveMedia":  {about: "photo", but: always("ok")},
	"listSaved":    {about: "kept", made: saved},
	"listLinks":    {about: "self"},
	"setLink":      {about: "self"},
	"deleteLink":   {about: "self"},

	"like":   {about: "photo", but: quiet()},
	"unlike": {about: "photo", but: quiet()},

	"likers": {about: "people", made: func(t *testing.T, s *scene) string {
		other := s.other(t)
		s.at(t, other, `INSERT INTO shard.likes (media_id, user_id) VALUES ($1, $2)`, other, s.owner.user)
		return "/v1/media/" + other.String() + "/likes"
	}},
	"comment": {about: "photo", but: quiet(), body: `{"text":"wow"}`},
	"comments": {about: "people", made: func(t *testing.T, s *scene) string {
		other := s.other(t)
		s.at(t, other, `INSERT INTO shard.comments (media_id, id, user_id, text) VALUES ($1, shard.next_id(), $2, 'wow')`, other, s.owner.user)
		return "/v1/media/" + other.String() + "/comments"
	}},
	"deleteComment": {about: "author", but: map[string]string{"stranger": notYours, "follower": notYours, "muting": notYours, "private-follower": notYours},
		made: func(t *testing.T, s *scene) string {
			i := s.photo - 1 // of its shard
			s.at(t, s.photo, `INSERT INTO shard.comments (media_id, id, user_id, text) VALUES ($1, $2, $3, 'wow')`, s.photo, i, s.owner.user)
			return "/v1/media/" + s.photo.String() + "/comments/" + i.String()
		}},
	"activity":         {about: "self"},
	"unreadActivity":   {about: "self"},
	"seeActivity":      {about: "self"},
	"notifications":    {about: "self"},
	"setNotifications": {about: "self"},

	"deleteMe":    {about: "self"},
	"startExport": {about: "self"},
	"listExports": {about: "self"},
	"getExport": {about: "self", made: func(t *testing.T, s *scene) string {
		var e struct{ ID id.ID }
		s.asker.do(t, "POST", "/v1/me/exports", nil).is(t, 202).into(t, &e)
		return "/v1/me/exports/" + e.ID.String()
	}},

	"getFeed":      {about: "feed"},
	"searchUsers":  {about: "people", made: func(_ *testing.T, s *scene) string { return "/v1/search/users?q=" + s.owner.name }},
	"listTagMedia": {about: "found", made: func(_ *testing.T, s *scene) string { return "/v1/tags/" + s.tag() + "/media" }},
	"listMediaNear": {about: "found", made: func(_ *testing.T, s *scene) string {
		return fmt.Sprintf("/v1/media/near?latitude=%v&longitude=-122.5", s.latitude())
	}},
	"explore": {about: "found", but: oneself("hidden"), made: func(t *testing.T, s *scene) string {
		s.at(t, s.owner.user, `UPDATE shard.media SET like_count = 100000000 WHERE id = $1`, s.photo)
		s.forgetPopular(t)
		return "/v1/explore?limit=50"
	}},
	"getTag":     {about: "self", made: func(_ *testing.T, s *scene) string { return "/v1/tags/" + s.tag() }},
	"searchTags": {about: "self", made: func(_ *testing.T, s *scene) string { return "/v1/search/tags?q=" + s.tag() }},

	"registerDevice": {about: "self"},
	"forgetDevice":   {about: "self"},

	"report": {about: "photo", but: oneself("400 cannot_report_yourself"), body: `{"subject":"media","id":"{media}","reason":"spam"}`},
}

const notYours = "403 not_yours"

// other is a photo of somebody whom the scene is not about.
func (s *scene) other(t *testing.T) id.ID {
	t.Helper()
	return s.ready(t, s.client(t).post(t, ""))
}

// oneself is what an owner is told who asks for what is about others alone.
func oneself(refusal string) map[string]string {
	return map[string]string{"owner": refusal, "owner-taken-down": refusal}
}

// quiet is for what nobody does around a photo that was taken down, not even its author.
func quiet() map[string]string {
	return map[string]string{"owner-taken-down": "404 media_not_found"}
}

// blocking is for what may be done again, or undone, by who blocks the owner.
func blocking(but map[string]string) map[string]string {
	but["blocking"] = "ok"
	return but
}

// always is what everybody is told.
func always(told string) map[string]string {
	but := map[string]string{}
	for standing := range standings {
		but[standing] = told
	}
	return but
}

// saved is the list of what the asker saved, with the photo.
func saved(t *testing.T, s *scene) string {
	s.at(t, s.asker.user, `INSERT INTO shard.saved (user_id, id, media_id) VALUES ($1, shard.next_id(), $2)`, s.asker.user, s.photo)
	return "/v1/me/saved"
}

// undoing is for what may be undone that is still there, whoever the owner is by now.
func undoing(but map[string]string) map[string]string {
	for _, away := range []string{"deactivated", "suspended", "deleting"} {
		but[away] = "ok"
	}
	return but
}

// scene is somebody who asks, and somebody whom the request is about.
type scene struct {
	*world
	databases    map[string]*pgx.Conn
	asker, owner *client // in different databases, or the same
	photo        id.ID
}

// standings are how who asks comes to stand to the owner, by the name of expected.
var standings = map[string]func(s *scene, t *testing.T){
	"stranger":         func(*scene, *testing.T) {},
	"follower":         (*scene).follow,
	"muting":           func(s *scene, t *testing.T) { s.follow(t); s.bar(t, "mute", s.asker, s.owner) },
	"blocking":         func(s *scene, t *testing.T) { s.block(t, s.asker, s.owner) },
	"blocked":          func(s *scene, t *testing.T) { s.block(t, s.owner, s.asker) },
	"private-stranger": (*scene).hide,
	"private-asking":   func(s *scene, t *testing.T) { s.hide(t); s.request(t) },
	"private-follower": func(s *scene, t *testing.T) { s.hide(t); s.follow(t) },
	"deactivated":      func(s *scene, t *testing.T) { s.follow(t); s.become(t, store.Deactivated) },
	"suspended":        func(s *scene, t *testing.T) { s.follow(t); s.become(t, store.Suspended) },
	"deleting":         func(s *scene, t *testing.T) { s.follow(t); s.become(t, store.Deleting) },
	"taken-down":       func(s *scene, t *testing.T) { s.follow(t); s.takeDown(t) },
	"owner":            func(s *scene, _ *testing.T) { s.asker = s.owner },
	"owner-taken-down": func(s *scene, t *testing.T) { s.asker = s.owner; s.takeDown(t) },
}

func newScene(t *testing.T, w *world, databases map[string]*pgx.Conn, standing string) *scene {
	t.Helper()
	stand := standings[standing]
	if stand == nil {
		t.Fatalf("standing %q is in the table and not among %v", standing, slices.Sorted(maps.Keys(standings)))
	}
	s := &scene{world: w, databases: databases, asker: w.client(t), owner: w.client(t)}
	for w.in(s.asker.user) == w.in(s.owner.user) {
		s.owner = w.client(t)
	}
	s.photo = s.owner.place(t, "#"+s.tag(), s.latitude(), -122.5)
	w.indexUser(t, s.owner.user)
	stand(s, t)
	w.users.Forget(s.owner.user)
	return s
}

// tag is that of the photo, and of no other scene's.
func (s *scene) tag() string { return "of" + s.owner.user.String() }

// latitude is where the photo was taken, tens of kilometres from where any other's was.
func (s *scene) latitude() float64 {
	var n int
	fmt.Sscanf(s.owner.name, "user.%d", &n)
	return float64(n%600)/10 - 30
}

// in is the database of a user.
func (w *world) in(user id.ID) string {
	return w.doc.Shards.Databases[w.doc.Shards.Database(shard.Of(user))].Name
}

// at runs a statement on the shard of a user.
func (s *scene) at(t *testing.T, user id.ID, sql string, args ...any) {
	t.Helper()
	sql = strings.ReplaceAll(sql, "shard.", shard.Of(user).Schema()+".")
	if _, err := s.databases[s.in(user)].Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) follow(t *testing.T) {
	t.Helper()
	s.at(t, s.asker.user, `INSERT INTO shard.following (user_id, target_id) VALUES ($1, $2)`, s.asker.user, s.owner.user)
	s.at(t, s.owner.user, `INSERT INTO shard.followers (user_id, follower_id, created_at) VALUES ($1, $2, now())`, s.owner.user, s.asker.user)
	s.at(t, s.asker.user, `UPDATE shard.users SET following_count = 1 WHERE id = $1`, s.asker.user)
	s.at(t, s.owner.user, `UPDATE shard.users SET follower_count = 1 WHERE id = $1`, s.owner.user)
}

func (s *scene) request(t *testing.T) {
	t.Helper()
	s.at(t, s.asker.user, `INSERT INTO shard.following (user_id, target_id, requested) VALUES ($1, $2, true)`, s.asker.user, s.owner.user)
	s.at(t, s.owner.user, `INSERT INTO shard.follow_requests (user_id, follower_id, created_at) VALUES ($1, $2, now())`, s.owner.user, s.asker.user)
}

func (s *scene) bar(t *testing.T, kind string, from, to *client) {
	t.Helper()
	s.at(t, from.user, `INSERT INTO shard.barriers (user_id, kind, other_id) VALUES ($1, $2, $3)`, from.user, kind, to.user)
	s.barriers.Forget(from.user)
}

func (s *scene) block(t *testing.T, from, to *client) {
	t.Helper()
	s.bar(t, "block", from, to)
	s.bar(t, "blocked", to, from)
}

func (s *scene) hide(t *testing.T) {
	t.Helper()
	s.at(t, s.owner.user, `UPDATE shard.users SET private = true WHERE id = $1`, s.owner.user)
}

func (s *scene) become(t *testing.T, state store.UserState) {
	t.Helper()
	s.at(t, s.owner.user, `UPDATE shard.users SET state = $2 WHERE id = $1`, s.owner.user, state)
}

func (s *scene) takeDown(t *testing.T) {
	t.Helper()
	s.at(t, s.owner.user, `UPDATE shard.media SET hidden = true WHERE id = $1`, s.photo)
}

// path is that of a rule's request in the scene.
func (s *scene) path(t *testing.T, r rule, documented string) string {
	t.Helper()
	if r.made != nil {
		return r.made(t, s)
	}
	i := s.owner.user
	if strings.HasPrefix(documented, "/v1/media/") {
		i = s.photo
	}
	return strings.NewReplacer("{id}", i.String(), "{name}", s.owner.name).Replace(documented)
}

// fill puts the ids of the scene into a body.
func (s *scene) fill(body string) string {
	return strings.NewReplacer("{media}", s.photo.String(), "{user}", s.owner.user.String()).Replace(body)
}

// unknown are those of whom no token says who they are.
var unknown = []struct {
	name  string
	told  problem
	token func(t *testing.T, c *client) string
}{
	{"anonymous", tokenMissing, func(*testing.T, *client) string { return "" }},
	{"forger", tokenInvalid, func(_ *testing.T, c *client) string { return c.w.sessions.Sign(session.Token{User: c.user}) + "A" }},
	{"late", tokenExpired, func(_ *testing.T, c *client) string {
		return c.w.sessions.Sign(session.Token{User: c.user, Session: 1, Expires: now().Add(-time.Minute)})
	}},
	{"logged-out", sessionEnded, func(t *testing.T, c *client) string {
		text, token, err := c.w.sessions.Begin(t.Context(), c.user, "", netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.w.sessions.End(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		return text
	}},
}

// ask is a request with what is expected of its answer.
type ask struct {
	who, path, body string
	from            *client
	s               *scene
	want            string
}

func TestAccess(t *testing.T) {
	w := newWorld(t)
	_, d := openapi(t)
	lines := strings.Split(strings.TrimSpace(expected), "\n")
	columns := strings.Fields(lines[0])
	all := openTables(t)
	dbs := map[string]*pgx.Conn{}
	for _, db := range w.doc.Shards.Databases {
		dbs[db.Name] = databases.Owner(t, db.Name)
	}
	shared := map[string]*scene{} // by those who change nothing
	known := map[string]bool{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			known[op.OperationID] = true
			t.Run(op.OperationID, func(t *testing.T) {
				r, ok := rules[op.OperationID]
				column := slices.Index(columns, r.about) + 1
				if !ok || column == 0 {
					t.Fatalf("%s %s has no rule: add one to rules, about one of %v", method, path, columns)
				}
				success := op.success(t)
				setting := func(standing string) *scene {
					if method != "get" || r.made != nil || shared[standing] == nil {
						s := newScene(t, w, dbs, standing)
						if method != "get" || r.made != nil {
							return s
						}
						shared[standing] = s
					}
					return shared[standing]
				}
				made := func(who, standing string) ask {
					a := ask{who: who, path: path, body: r.body}
					if sample := samples[op.OperationID]; r.about == "self" && sample != nil {
						var at string
						a.from, at, a.body = sample(t, w)
						a.path = cmp.Or(at, path)
					} else {
						a.s = setting(standing)
						a.from, a.path, a.body = a.s.asker, a.s.path(t, r, path), a.s.fill(r.body)
					}
					return a
				}
				var refused, accepted []ask
				for _, line := range lines[1:] {
					cells := strings.Fields(line)
					want := cmp.Or(r.but[cells[0]], cells[column])
					if want == "-" {
						continue
					}
					a := made(cells[0], cells[0])
					if a.want = cmp.Or(refusals[want], want); strings.Contains(a.want, " ") {
						refused = append(refused, a)
					} else {
						accepted = append(accepted, a)
					}
				}
				for _, u := range unknown {
					if len(op.Security) == 0 {
						break
					}
					a := made(u.name, "owner")
					if a.from.user == 0 {
						t.Fatalf("the sample of %s is of nobody", op.OperationID)
					}
					from := *a.from
					from.token = u.token(t, a.from)
					a.from, a.want = &from, fmt.Sprintf("%d %s", u.told.Status, u.told.Code)
					refused = append(refused, a)
				}
				before := count(t, all)
				for _, a := range refused {
					a.send(t, strings.ToUpper(method), success)
				}
				if after := count(t, all); !maps.Equal(before, after) {
					t.Errorf("what was refused has changed %v to %v", before, after)
				}
				for _, a := range accepted {
					a.send(t, strings.ToUpper(method), success)
				}
			})
		}
	}
	for name := range rules {
		if !known[name] {
			t.Errorf("there is a rule of %s, which the document has not got", name)
		}
	}
}

func (a ask) send(t *testing.T, method string, success int) {
	t.Run(a.who, func(t *testing.T) {
		got := send(t, a.from.request(t, a.from.w.url, "", method, a.path, a.body))
		var status int
		var code string
		if n, _ := fmt.Sscan(a.want, &status, &code); n == 2 {
			got.isProblem(t, status, code)
			return
		}
		got.is(t, success)
		if a.want == "ok" {
			return
		}
		there := strings.Contains(string(got.body), `"`+a.s.photo.String()+`"`) || strings.Contains(string(got.body), `"`+a.s.owner.user.String()+`"`)
		if there != (a.want == "shown") {
			t.Errorf("answer = %s, want %s %s", got.body, a.s.photo, a.want)
		}
	})
}
