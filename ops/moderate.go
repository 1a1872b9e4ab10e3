package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/services/cache"
	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/kv"
	"github.com/burbn/burbn/services/rendition"
	"github.com/burbn/burbn/services/session"
	"github.com/burbn/burbn/services/settings"
	"github.com/burbn/burbn/services/store"
)

// moderator has what its acts change: the databases, and what is remembered of them
// elsewhere.
type moderator struct {
	store    *store.Store
	redis    *redis.ClusterClient
	cache    *cache.Cache
	sessions *session.Sessions
	cdn      string
}

func moderate(flags *flag.FlagSet) action {
	name := stackFlag(flags)
	as := flags.String("as", "", "`name` for the audit log; without it yours on this machine")
	reason := flags.String("reason", "", "`text` for the audit log; every act needs one")
	n := flags.Int("n", 50, "at most so many lines of queue and audit")
	return func(ctx context.Context, c console, args []string) error {
		if len(args) == 0 {
			fmt.Fprint(c.err, "burbn: what to do is missing\n\n")
			return errUsage
		}
		if *n < 1 || *n > 1000 {
			return misuse{fmt.Errorf("-n %d: accepted are 1 to 1000", *n)}
		}
		subject := strings.Join(args[1:], " ")
		kind, acts := "", store.Acts()
		switch what, isAct := acts[args[0]]; {
		case !isAct && args[0] != "queue" && args[0] != "show" && args[0] != "audit":
			known := append([]string{"queue", "show", "audit"}, slices.Sorted(maps.Keys(acts))...)
			return misuse{fmt.Errorf("the act %q is unknown: accepted is %s", args[0], strings.Join(known, ", "))}
		case isAct && (*reason == "" || len(*reason) > 1000):
			return misuse{fmt.Errorf("%s: -reason has %d bytes: accepted are 1 to 1000", args[0], len(*reason))}
		case isAct && what != "":
			kind = what
		}
		kind, i, err := parseSubject(kind, args[1:])
		if err != nil || i == 0 && args[0] != "queue" && args[0] != "audit" {
			return misuse{fmt.Errorf("%s %q: accepted is user ID, media ID or comment ID; ID alone where only one of them can be meant", args[0], subject)}
		}
		if *as == "" {
			if *as, err = osUser(); err != nil {
				return err
			}
		}
		s, err := open(*name)
		if err != nil {
			return err
		}
		m, err := s.moderator(ctx)
		if err != nil {
			return err
		}
		defer m.close()
		switch args[0] {
		case "queue":
			return m.queue(ctx, c.out, *n)
		case "audit":
			return m.audit(ctx, c.out, i, *n)
		case "show":
			return m.show(ctx, c.out, store.Subject{Kind: kind, ID: i})
		}
		return m.act(ctx, c.out, store.Audit{Operator: *as, Act: args[0], Subject: store.Subject{Kind: kind, ID: i}, Reason: *reason})
	}
}

// parseSubject reads "ID" of a kind that is known, or "media ID"; 0 is nothing at all.
func parseSubject(kind string, args []string) (string, id.ID, error) {
	switch {
	case len(args) == 0:
		return kind, 0, nil
	case len(args) == 2 && slices.Contains([]string{"user", "media", "comment"}, args[0]) && (kind == "" || kind == args[0]):
		kind = args[0]
	case len(args) != 1 || kind == "":
		return "", 0, errors.New("not a subject")
	}
	i, err := id.Parse(args[len(args)-1])
	return kind, i, err
}

// osUser is who types, also behind sudo.
func osUser() (string, error) {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find out who you are for the audit log, which -as can say: %w", err)
	}
	return u.Username, nil
}

// moderator connects as a worker of the stack does, by its settings and credentials.
func (s *stack) moderator(ctx context.Context) (*moderator, error) {
	workers := s.placement.Of(images.Worker)
	if len(workers) == 0 {
		return nil, fmt.Errorf("the stack %s has no machine of the role %s, by whose settings this command works", s.placement.Stack, images.Worker)
	}
	for _, u := range s.images[workers[0].Name].Units {
		if n := slices.Index(u.Exec, "-settings"); u.Name == string(images.Worker) && n >= 0 {
			return openModerator(ctx, u.Exec[n+1], u.CredentialsDir)
		}
	}
	return nil, fmt.Errorf("the machine %s has no unit %s", workers[0].Name, images.Worker)
}

func openModerator(ctx context.Context, file, credentials string) (*moderator, error) {
	doc, err := settings.Load[settings.Worker](file)
	if err != nil {
		return nil, fmt.Errorf("%w (is the stack up?)", err)
	}
	var secrets [2]string
	for n, name := range []string{"postgres-app-password", "redis-password"} {
		b, err := os.ReadFile(filepath.Join(credentials, name))
		if err != nil {
			return nil, fmt.Errorf("read credential: %w", err)
		}
		secrets[n] = strings.TrimRight(string(b), "\n")
	}
	return newModerator(ctx, doc.Stores, secrets[0], secrets[1])
}

func newModerator(ctx context.Context, stores settings.Stores, postgres, redis string) (*moderator, error) {
	db, err := store.Open(ctx, stores, postgres)
	if err != nil {
		return nil, err
	}
	m := &moderator{store: db, redis: kv.Open(stores, redis), cache: cache.Open(stores.Memcached, prometheus.NewRegistry()), cdn: stores.Storage.CDN}
	m.sessions = session.New(session.Keys{}, m.redis, db, 0) // it begins none
	return m, nil
}

func (m *moderator) close() {
	m.store.Close()
	m.redis.Close()
	m.cache.Close()
}

// act does what was decided and makes everybody forget what was so before. Repeated, it
// does that part again, in which it may have failed.
func (m *moderator) act(ctx context.Context, w io.Writer, a store.Audit) error {
	done, err := m.store.Moderate(ctx, a)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s: there is no such %s, or nothing of it to %s", a.Subject, a.Kind, a.Act)
	}
	if err != nil {
		return err
	}
	if a.Kind == "user" {
		m.cache.Forget(ctx, cache.Users, a.ID)
	} else {
		m.cache.Forget(ctx, cache.Media, a.ID)
	}
	if a.Act == "suspend" {
		if err := m.sessions.EndAll(ctx, a.ID, 0); err != nil {
			return fmt.Errorf("%s is suspended, and may still be logged in; repeat the command: %w", a.Subject, err)
		}
	}
	said := a.Act + ": done"
	if !done.Changed && a.Act != "dismiss" {
		said = a.Act + ": was so already"
	}
	fmt.Fprintf(w, "%s %s; %d reports closed\n", a.Subject, said, done.Closed)
	return nil
}

func (m *moderator) queue(ctx context.Context, w io.Writer, n int) error {
	cases, err := m.store.Cases(ctx, 0, n)
	if err != nil {
		return err
	}
	return m.write(ctx, w, cases)
}

// write is a line for each case, with what there is to judge.
func (m *moderator) write(ctx context.Context, w io.Writer, cases []store.Case) error {
	var photos, users []id.ID
	comments := map[id.ID]id.ID{}
	for _, c := range cases {
		users = append(users, c.User)
		switch c.Kind {
		case "media":
			photos = append(photos, c.ID)
		case "comment":
			comments[c.ID] = c.Media
		}
	}
	written, err := m.store.CommentsMany(ctx, comments)
	if err != nil {
		return err
	}
	media, err := m.store.MediaMany(ctx, photos)
	if err != nil {
		return err
	}
	people, err := m.store.Users(ctx, users)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REPORTS\tNEWEST\tSUBJECT\tOF\tREASONS\tWHAT")
	for _, c := range cases {
		u := people[c.User]
		what := excerpt(cmp.Or(u.Bio, u.FullName))
		switch c.Kind {
		case "comment":
			what = excerpt(written[c.ID].Text)
		case "media":
			what = strings.TrimSpace(excerpt(media[c.ID].Caption) + " " + m.url(media[c.ID]))
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", c.Reports, c.Newest.UTC().Format(time.DateTime), c.Subject,
			cmp.Or(u.Name, c.User.String()), strings.Join(c.Reasons, ","), what)
	}
	return table.Flush()
}

// show is everything that there is to judge a subject by.
func (m *moderator) show(ctx context.Context, w io.Writer, s store.Subject) error {
	owner := s.ID
	if s.Kind == "comment" {
		return misuse{errors.New("show comment: accepted is user or media; the queue has what a comment says")}
	}
	if s.Kind == "media" {
		photo, err := m.store.Media(ctx, s.ID)
		if err != nil {
			return err
		}
		owner = photo.User
		fmt.Fprintf(w, "%s, %s, published %s\n", s, photo.State, photo.CreatedAt.UTC().Format(time.DateTime))
		if photo.Hidden {
			fmt.Fprintln(w, "taken down")
		}
		fmt.Fprintf(w, "caption: %q\nphoto: %s\n", photo.Caption, m.url(photo))
	}
	u, err := m.store.User(ctx, owner)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "user %s: %s (%q), %s, %d photos, %d followers\nbio: %q\n", u.ID, u.Name, u.FullName, u.State, u.MediaCount, u.FollowerCount, u.Bio)
	cases, err := m.store.Cases(ctx, s.ID, 10)
	if err != nil {
		return err
	}
	for _, c := range cases {
		fmt.Fprintf(w, "%d reports, the last at %s: %s\n", c.Reports, c.Newest.UTC().Format(time.DateTime), strings.Join(c.Reasons, ", "))
		for _, note := range c.Notes {
			fmt.Fprintf(w, "  %q\n", note)
		}
	}
	return m.audit(ctx, w, s.ID, 20)
}

func (m *moderator) audit(ctx context.Context, w io.Writer, subject id.ID, n int) error {
	audits, err := m.store.Audits(ctx, subject, n)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "AT\tOPERATOR\tACT\tSUBJECT\tREASON")
	for _, a := range audits {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", a.At.UTC().Format(time.DateTime), a.Operator, a.Act, a.Subject, excerpt(a.Reason))
	}
	return table.Flush()
}

// url is the widest rendition of a photo, if there are any.
func (m *moderator) url(p store.Media) string {
	if p.State != store.Ready {
		return ""
	}
	all := rendition.Of(p.Key, p.Width, p.Height, m.cdn)
	return all[len(all)-1].URL
}

// excerpt is the beginning of what a user wrote, quoted: it must not draw on the terminal.
func excerpt(text string) string {
	if text == "" {
		return ""
	}
	r := []rune(text)
	if len(r) > 60 {
		r = append(r[:60], '…')
	}
	return fmt.Sprintf("%q", string(r))
}
