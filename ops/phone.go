package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// connection is a kept-alive HTTP connection that costs the machine, which the
// servers share, as little as it can.
type connection struct {
	net.Conn
	r    *bufio.Reader
	host string
	buf  []byte
}

func dial(ctx context.Context, addr string) (*connection, error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c, r: bufio.NewReaderSize(c, 64<<10), host: addr}, nil
}

// do makes one request without a body, reads the whole answer and returns its status.
// Whoever dialled has set a deadline.
func (c *connection) do(method, path, token string) (int, error) {
	b := append(c.buf[:0], method...)
	b = append(append(b, ' '), path...)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), c.host...)
	b = append(append(b, "\r\nAuthorization: Bearer "...), token...)
	if method != http.MethodGet {
		b = append(b, "\r\nContent-Length: 0"...)
	}
	c.buf = append(b, "\r\n\r\n"...)
	if _, err := c.Write(c.buf); err != nil {
		return 0, err
	}
	return c.answer()
}

// answer reads an answer. One whose header says its length, as those that are measured
// do, is skipped and not parsed.
func (c *connection) answer() (int, error) {
	if _, err := c.r.Peek(len("HTTP/1.1 200 ")); err != nil {
		return 0, err
	}
	head, _ := c.r.Peek(c.r.Buffered())
	if end := bytes.Index(head, []byte("\r\n\r\n")); end >= 0 {
		status, err := strconv.Atoi(string(head[len("HTTP/1.1 "):len("HTTP/1.1 200")]))
		length, known := contentLength(head[:end+2])
		if err == nil && (known || status == http.StatusNoContent) {
			_, err = c.r.Discard(end + 4 + length)
			return status, err
		}
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

func contentLength(head []byte) (int, bool) {
	const name = "\r\nContent-Length: "
	at := bytes.Index(head, []byte(name))
	if at < 0 {
		return 0, false
	}
	value, _, _ := bytes.Cut(head[at+len(name):], []byte("\r"))
	n, err := strconv.Atoi(string(value))
	return n, err == nil
}

// call makes one request with JSON in and out, either of which may be nil.
func (l *load) call(ctx context.Context, token, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	return l.send(ctx, token, method, "http://"+l.addr+path, "application/json", body, out)
}

func (l *load) send(ctx context.Context, token, method, url, contentType string, body io.Reader, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: status %d: %s", method, req.URL.Path, res.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

func (l *load) signUp(ctx context.Context, name string) (id, token string, err error) {
	var out struct {
		User  struct{ ID string }
		Token string
	}
	err = l.call(ctx, "", http.MethodPost, "/v1/users", map[string]string{"name": name, "password": "a password for load", "fullName": "", "email": name + "@example.com"}, &out)
	return out.User.ID, out.Token, err
}

func (l *load) upload(ctx context.Context, token string, picture []byte) (string, error) {
	var up struct{ ID, URL string }
	if err := l.call(ctx, token, http.MethodPost, "/v1/uploads", map[string]any{"contentType": "image/jpeg", "size": len(picture)}, &up); err != nil {
		return "", err
	}
	return up.ID, l.send(ctx, "", http.MethodPut, up.URL, "image/jpeg", bytes.NewReader(picture), nil)
}

func (l *load) publish(ctx context.Context, token, upload string) (string, error) {
	var m struct{ ID string }
	err := l.call(ctx, token, http.MethodPost, "/v1/media", map[string]string{"upload": upload, "caption": "load"}, &m)
	return m.ID, err
}

func (l *load) post(ctx context.Context, token string, picture []byte) (string, error) {
	up, err := l.upload(ctx, token, picture)
	if err != nil {
		return "", err
	}
	return l.publish(ctx, token, up)
}

// await asks every 5 ms until the answer is yes.
func (l *load) await(ctx context.Context, what string, yes func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("waited 30 s in vain: %s", what))
	defer cancel()
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		if ok, err := yes(); err != nil || ok {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
