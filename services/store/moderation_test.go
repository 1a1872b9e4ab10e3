package store_test

import (
	"errors"
	"testing"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func TestModerate(t *testing.T) {
	s := databases.Store(t)
	author := databases.User(t)
	photo := post(t, author)
	subject := store.Subject{Kind: "media", ID: photo.ID}
	report := func(reason string) {
		t.Helper()
		r := store.Report{Subject: subject, User: author.ID, Reporter: databases.User(t).ID, Reason: reason, Note: "look"}
		for _, want := range []bool{true, false} {
			if changed, err := s.Report(t.Context(), r); err != nil || changed != want {
				t.Fatalf("Report = %v, %v, want %v", changed, err, want)
			}
		}
	}
	open := func(want int64) {
		t.Helper()
		cases, err := s.Cases(t.Context(), photo.ID, 10)
		if err != nil {
			t.Fatal(err)
		}
		if want == 0 && len(cases) == 0 {
			return
		}
		if len(cases) != 1 || cases[0].Reports != want || cases[0].User != author.ID || cases[0].Subject != subject || len(cases[0].Notes) != int(want) {
			t.Errorf("cases = %+v, want one of %d reports", cases, want)
		}
	}
	user := store.Subject{Kind: "user", ID: author.ID}
	report("spam")
	report("nudity")
	open(2)
	for _, step := range []struct {
		act  string
		of   store.Subject
		want store.Moderated
	}{
		{"takedown", subject, store.Moderated{Changed: true, Closed: 2}},
		{"takedown", subject, store.Moderated{}},
		{"restore", subject, store.Moderated{Changed: true}},
		{"restore", subject, store.Moderated{}},
		{"suspend", user, store.Moderated{Changed: true}},
		{"suspend", user, store.Moderated{}},
		{"reinstate", user, store.Moderated{Changed: true}},
		{"dismiss", subject, store.Moderated{}},
	} {
		got, err := s.Moderate(t.Context(), store.Audit{Operator: "maya", Act: step.act, Subject: step.of, Reason: "rule 3"})
		if err != nil || got != step.want {
			t.Errorf("%s = %+v, %v, want %+v", step.act, got, err, step.want)
		}
		m, err := s.Media(t.Context(), photo.ID)
		if err != nil {
			t.Fatal(err)
		}
		if want := step.act == "takedown"; m.Hidden != want && step.of == subject {
			t.Errorf("after %s the photo is hidden: %v", step.act, m.Hidden)
		}
		u, err := s.User(t.Context(), author.ID)
		if err != nil {
			t.Fatal(err)
		}
		if want := step.act == "suspend"; (u.State == store.Suspended) != want {
			t.Errorf("after %s the user is %s", step.act, u.State)
		}
	}
	open(0)
	for of, want := range map[id.ID][]string{photo.ID: {"restore", "takedown"}, author.ID: {"reinstate", "suspend"}} {
		audits, err := s.Audits(t.Context(), of, 10)
		if err != nil || len(audits) != len(want) {
			t.Fatalf("audit = %+v, %v, want %v", audits, err, want)
		}
		for n, a := range audits {
			if a.Act != want[n] || a.Operator != "maya" || a.Reason != "rule 3" || a.ID != of {
				t.Errorf("audit = %+v, want %s", a, want[n])
			}
		}
	}
	for name, a := range map[string]store.Audit{
		"nobody":    {Act: "suspend", Subject: store.Subject{Kind: "user", ID: photo.ID}},
		"nowhere":   {Act: "takedown", Subject: store.Subject{Kind: "media", ID: 1<<63 - 1}},
		"no report": {Act: "dismiss", Subject: user},
	} {
		if _, err := s.Moderate(t.Context(), a); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	for _, a := range []store.Audit{{Act: "promote", Subject: user}, {Act: "takedown", Subject: user}} {
		if _, err := s.Moderate(t.Context(), a); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s of a %s: %v, want a refusal", a.Act, a.Kind, err)
		}
	}
}
