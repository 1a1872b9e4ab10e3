package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/burbn/burbn/services/store"
)

func TestDeletion(t *testing.T) {
	w := newWorld(t)
	c, in := w.member(t)
	elsewhere, other := w.logIn(t, in), w.client(t)
	photo := w.ready(t, c.post(t, "mine"))
	other.do(t, "GET", "/v1/users/"+c.user.String(), nil).is(t, 200)

	c.do(t, "POST", "/v1/me/deletion", `{"password":"wrong horse"}`).isProblem(t, 403, "wrong_password")
	c.do(t, "GET", "/v1/me", nil).is(t, 200)
	c.do(t, "POST", "/v1/me/deletion", `{"password":"correct horse"}`).is(t, 202)

	for _, phone := range []*client{c, elsewhere} {
		phone.do(t, "GET", "/v1/me", nil).isProblem(t, 401, "session_ended")
	}
	if a := (&client{w: w}).do(t, "POST", "/v1/sessions", map[string]string{"name": in["name"], "password": in["password"]}); a.status != 401 {
		t.Errorf("logging in answers %d %s, want 401", a.status, a.body)
	}
	other.do(t, "GET", "/v1/users/"+c.user.String(), nil).isProblem(t, 404, "user_not_found")
	other.do(t, "GET", "/v1/users/by-name/"+c.name, nil).isProblem(t, 404, "user_not_found")
	other.do(t, "GET", "/v1/media/"+photo.String(), nil).isProblem(t, 404, "media_not_found")
	// Until it is erased nobody gets the name.
	(&client{w: w}).do(t, "POST", "/v1/users", in).isProblem(t, 409, "name_taken")
}

func TestExports(t *testing.T) {
	w := newWorld(t)
	c, other := w.client(t), w.client(t)
	var one, two Export
	c.do(t, "POST", "/v1/me/exports", nil).is(t, 202).into(t, &one)
	c.do(t, "POST", "/v1/me/exports", nil).is(t, 202).into(t, &two)
	if one.State != store.ExportWaiting || one.ID != two.ID || one.URL != "" {
		t.Errorf("started %+v, then %+v, want the same one twice", one, two)
	}
	path := "/v1/me/exports/" + one.ID.String()
	other.do(t, "GET", path, nil).isProblem(t, 404, "export_not_found")
	c.do(t, "GET", "/v1/me/exports/1", nil).isProblem(t, 404, "export_not_found")

	// What the workers do.
	e, err := w.store.Export(t.Context(), c.user, one.ID)
	if err != nil {
		t.Fatal(err)
	}
	upload, err := w.objects.BeginParts(t.Context(), e.Key(), "application/zip")
	if err != nil {
		t.Fatal(err)
	}
	tag, err := w.objects.PutPart(t.Context(), e.Key(), upload, 1, []byte("a zip"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.objects.EndParts(t.Context(), e.Key(), upload, []string{tag}); err != nil {
		t.Fatal(err)
	}
	if err := w.store.FinishExport(t.Context(), e, store.ExportReady, 5); err != nil {
		t.Fatal(err)
	}

	c.do(t, "GET", path, nil).is(t, 200).into(t, &one)
	if one.State != store.ExportReady || one.Size != 5 || one.ExpiresAt == nil || one.FinishedAt == nil {
		t.Errorf("ready export is %+v", one)
	}
	res, err := http.Get(one.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "a zip" {
		t.Errorf("the file is %q (%v)", b, err)
	}
	if got := res.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment; filename=burbn-") {
		t.Errorf("Content-Disposition: %s", got)
	}
	if c.do(t, "POST", "/v1/me/exports", nil).is(t, 202).into(t, &two); two.ID == one.ID {
		t.Error("after one that is ready there is no other")
	}
	var all list[Export]
	if c.do(t, "GET", "/v1/me/exports?limit=1", nil).is(t, 200).into(t, &all); len(all.Items) != 1 || all.Items[0].ID != two.ID || all.Cursor == "" {
		t.Errorf("the newest of the exports are %+v", all)
	}
	if c.do(t, "GET", "/v1/me/exports?cursor="+all.Cursor, nil).is(t, 200).into(t, &all); len(all.Items) != 1 || all.Items[0].ID != one.ID {
		t.Errorf("then come %+v", all)
	}
}
