package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/burbn/burbn/images"
)

// A load is what the phones of one measurement have: their tokens, and photos that
// all of them see.
type load struct {
	addr   string // of what is measured from
	tokens []string
	photos []string // ids
}

const (
	loadUsers, loadPhotos = 100, 200
	// loadLimit bounds a measurement, whatever its flags say.
	loadLimit = 2 * time.Minute
)

// measures are what load can measure: each request of a connection, and how many
// of them there are, if not endless.
func measures() map[string]func(l *load, n int) (method, path string, user int, ok bool) {
	return map[string]func(*load, int) (string, string, int, bool){
		"feed": func(l *load, n int) (string, string, int, bool) {
			return http.MethodGet, "/v1/feed?limit=20", n % len(l.tokens), true
		},
		"media": func(l *load, n int) (string, string, int, bool) {
			return http.MethodGet, "/v1/media/" + l.photos[n%len(l.photos)], n % len(l.tokens), true
		},
		// Every like is another one, so each is a row and a push.
		"like": func(l *load, n int) (string, string, int, bool) {
			user, photo := n%len(l.tokens), n/len(l.tokens)
			if photo >= len(l.photos) {
				return "", "", 0, false
			}
			return http.MethodPut, "/v1/media/" + l.photos[(photo+user)%len(l.photos)] + "/like", user, true
		},
	}
}

// doors are where a measurement can begin.
func doors() map[string]images.Role {
	return map[string]images.Role{"nginx": images.Nginx, "loadbalancer": images.LoadBalancer}
}

func loadTest(flags *flag.FlagSet) action {
	name := stackFlag(flags)
	what := flags.String("what", "feed", "`measures`, one or more with commas between: feed, media, like; or visible (upload to the follower's feed)")
	door := flags.String("at", "nginx", "`role` to begin at: nginx, loadbalancer")
	connections := flags.Int("c", 32, "connections at once")
	length := flags.Duration("t", 10*time.Second, "how long each, at most "+loadLimit.String())
	return func(ctx context.Context, c console, args []string) error {
		if err := none(c, args); err != nil {
			return err
		}
		role, known := doors()[*door]
		if !known {
			return fmt.Errorf("-at %s: accepted is nginx, loadbalancer", *door)
		}
		wanted := strings.Split(*what, ",")
		for _, w := range wanted {
			if _, known := measures()[w]; !known && *what != "visible" {
				return fmt.Errorf("-what %s: accepted is visible, or some of feed, media, like", *what)
			}
		}
		if *connections < 1 || *connections > 1000 || *length <= 0 || *length > loadLimit {
			return fmt.Errorf("-c %d -t %v: accepted is 1 to 1000 connections and at most %v", *connections, *length, loadLimit)
		}
		s, err := open(*name)
		if err != nil {
			return err
		}
		running, _, err := programs(ctx, s.site.Socket())
		if err != nil {
			return err
		}
		l := &load{addr: s.placement.Of(role)[0].At(images.PortHTTP)}
		if *what == "visible" {
			return l.visible(ctx, c, *length)
		}
		if err := l.prepare(ctx, c); err != nil {
			return err
		}
		for _, w := range wanted {
			next := measures()[w]
			if w != "like" { // what is read for the first time is not what is measured
				if _, err := l.run(ctx, *connections, 2*time.Second, next); err != nil {
					return err
				}
			}
			before, started := cpuOf(running), time.Now()
			took, err := l.run(ctx, *connections, *length, next)
			if err != nil {
				return err
			}
			elapsed := time.Since(started)
			summarize(c.out, w, took, elapsed, cpuOf(running).since(before), *connections)
		}
		return nil
	}
}

// summarize says what a measurement came to, and which programs had what share of the
// processors' time.
func summarize(w io.Writer, what string, took []time.Duration, elapsed time.Duration, used usage, connections int) {
	n, sum := len(took), time.Duration(0)
	for _, d := range used {
		sum += d
	}
	per := func(d time.Duration) float64 { return d.Seconds() / float64(n) * 1000 }
	fmt.Fprintf(w, "%s: %.0f requests a second, %.3f CPU-seconds of the servers per 1,000, p50 %v, p99 %v (%d requests, %d connections)\n",
		what, float64(n)/elapsed.Seconds(), per(sum), took[n/2].Round(10*time.Microsecond), took[n*99/100].Round(10*time.Microsecond), n, connections)
	programs := slices.SortedFunc(maps.Keys(used), func(a, b string) int { return cmp.Compare(used[b], used[a]) })
	var shares []string
	for _, p := range programs {
		if used[p] > sum/200 {
			shares = append(shares, fmt.Sprintf("%s %.3f", p, per(used[p])))
		}
	}
	fmt.Fprintf(w, "  %s\n", strings.Join(shares, ", "))
}

// prepare signs up the users, who all follow five of them, and has those post.
func (l *load) prepare(ctx context.Context, c console) error {
	fmt.Fprintf(c.err, "making %d users and %d photos\n", loadUsers, loadPhotos)
	l.tokens = make([]string, loadUsers)
	ids := make([]string, loadUsers)
	stamp := strconv.FormatInt(time.Now().UnixMilli(), 36)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range l.tokens {
		g.Go(func() (err error) {
			ids[i], l.tokens[i], err = l.signUp(ctx, fmt.Sprintf("load%s_%d", stamp, i))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	const authors = 5
	g, ctx = errgroup.WithContext(context.WithoutCancel(ctx))
	g.SetLimit(8)
	for i := authors; i < loadUsers; i++ {
		g.Go(func() error {
			for _, author := range ids[:authors] {
				if err := l.call(ctx, l.tokens[i], http.MethodPut, "/v1/users/"+author+"/follow", nil, nil); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	l.photos = make([]string, loadPhotos)
	picture, err := snapshot(200, 150)
	if err != nil {
		return err
	}
	g, ctx = errgroup.WithContext(context.WithoutCancel(ctx))
	g.SetLimit(8)
	for i := range l.photos {
		g.Go(func() (err error) {
			token := l.tokens[i%authors]
			if l.photos[i], err = l.post(ctx, token, picture); err != nil {
				return err
			}
			return l.await(ctx, "the photo is ready", func() (bool, error) {
				var m struct{ State string }
				err := l.call(ctx, token, http.MethodGet, "/v1/media/"+l.photos[i], nil, &m)
				return m.State == "ready", err
			})
		})
	}
	return g.Wait()
}

// run keeps the connections busy and returns how long each request took, sorted.
func (l *load) run(ctx context.Context, connections int, length time.Duration,
	next func(*load, int) (string, string, int, bool)) ([]time.Duration, error) {
	var (
		count atomic.Int64
		mu    sync.Mutex
		all   []time.Duration
		until = time.Now().Add(length)
	)
	g, ctx := errgroup.WithContext(ctx)
	for range connections {
		g.Go(func() error {
			conn, err := dial(ctx, l.addr)
			if err != nil {
				return err
			}
			defer conn.Close()
			if err := conn.SetDeadline(until.Add(10 * time.Second)); err != nil {
				return err
			}
			took := make([]time.Duration, 0, 1<<16)
			for start := time.Now(); ctx.Err() == nil && start.Before(until); {
				method, path, user, ok := next(l, int(count.Add(1)-1))
				if !ok {
					break
				}
				status, err := conn.do(method, path, l.tokens[user])
				if err != nil {
					return fmt.Errorf("%s %s: %w", method, path, err)
				}
				if status >= 300 {
					return fmt.Errorf("%s %s: status %d", method, path, status)
				}
				end := time.Now()
				took, start = append(took, end.Sub(start)), end
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("not one request was answered in time")
	}
	slices.Sort(all)
	return all, nil
}

// visible measures, photo after photo, from the end of the upload until the photo
// stands in a follower's feed.
func (l *load) visible(ctx context.Context, c console, length time.Duration) error {
	stamp := strconv.FormatInt(time.Now().UnixMilli(), 36)
	author, token, err := l.signUp(ctx, "author"+stamp)
	if err != nil {
		return err
	}
	_, follower, err := l.signUp(ctx, "reader"+stamp)
	if err != nil {
		return err
	}
	if err := l.call(ctx, follower, http.MethodPut, "/v1/users/"+author+"/follow", nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "photo\tphotos\tp50\tp99\n")
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, size := range []struct{ width, height int }{{1600, 1200}, {4000, 3000}} {
		picture, err := snapshot(size.width, size.height)
		if err != nil {
			return err
		}
		var took []time.Duration
		for until := time.Now().Add(length / 2); time.Now().Before(until); {
			up, err := l.upload(ctx, token, picture)
			if err != nil {
				return err
			}
			start := time.Now()
			id, err := l.publish(ctx, token, up)
			if err != nil {
				return err
			}
			if err := l.await(ctx, "the photo is in the feed", func() (bool, error) {
				var feed struct {
					Items []struct{ ID string }
				}
				err := l.call(ctx, follower, http.MethodGet, "/v1/feed?limit=1", nil, &feed)
				return len(feed.Items) > 0 && feed.Items[0].ID == id, err
			}); err != nil {
				return err
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		n := len(took)
		fmt.Fprintf(table, "%dx%d\t%d\t%v\t%v\n", size.width, size.height, n,
			took[n/2].Round(time.Millisecond), took[n*99/100].Round(time.Millisecond))
	}
	return table.Flush()
}

// snapshot is a JPEG with enough in it to be work.
func snapshot(width, height int) ([]byte, error) {
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	seed := uint32(1)
	for i := range img.Y {
		seed = seed*1664525 + 1013904223
		img.Y[i] = byte(i%width*200/width) + byte(seed>>27)
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = byte(i), byte(i>>8)
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90})
	return b.Bytes(), err
}

// usage is the time that programs have had of the processors, by name: those of the
// same name on all machines together.
type usage map[string]time.Duration

func cpuOf(running map[string]program) usage {
	u, f := usage{}, readFamilies()
	for _, p := range running {
		_, name, _ := strings.Cut(p.Name, ".") // "api-01.pgbouncer"
		u[name] += f.cpu(p.PID)
	}
	return u
}

func (u usage) since(before usage) usage {
	d := usage{}
	for name := range u {
		d[name] = u[name] - before[name]
	}
	return d
}

// cpu is the time that a process and its living descendants have had of the
// processors.
func (f families) cpu(pid int) time.Duration {
	var sum time.Duration
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		for _, i := range []int{11, 12} { // utime and stime, in hundredths (USER_HZ)
			if i < len(fields) {
				n, _ := strconv.ParseInt(fields[i], 10, 64)
				sum += time.Duration(n) * 10 * time.Millisecond
			}
		}
	}
	for _, child := range f[pid] {
		sum += f.cpu(child)
	}
	return sum
}
