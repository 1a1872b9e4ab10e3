package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/burbn/burbn/services/settings"
)

// longestWait is the longest time between two attempts.
const longestWait = 15 * time.Second

// errContent says that an object is not what the settings say: asking again would
// not make it so.
var errContent = errors.New("the content is not what was promised")

// retry tries until it succeeds, the error is errContent or the context ends. All
// else may pass: a role that was made a second ago is not known everywhere yet, and
// what has to be fetched may still be on its way.
func retry(ctx context.Context, log *slog.Logger, what string, try func(context.Context) error) error {
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, longestWait) {
		attempt, cancel := context.WithTimeout(ctx, attemptTime)
		err := try(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if errors.Is(err, errContent) || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		log.WarnContext(ctx, "trying again", "what", what, "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, errors.Join(context.Cause(ctx), err))
		// A fleet that is born at once does not ask again at once.
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
	}
}

// fetch puts an object at a path of the machine, once its content has been verified.
// It does nothing where the file is there already.
func (m *machine) fetch(ctx context.Context, o settings.Object, at string, mode os.FileMode) error {
	if sum, err := m.sum(at, mode); err == nil && sum == o.SHA256 {
		return nil
	}
	return retry(ctx, m.log, fmt.Sprintf("fetch s3://%s/%s", o.Bucket, o.Key), func(ctx context.Context) error {
		got, err := m.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(o.Bucket), Key: aws.String(o.Key)})
		if err != nil {
			return err
		}
		defer got.Body.Close()
		return place(m.files, at, mode, verified{got.Body, sha256.New(), o.SHA256})
	})
}

// sum is the hash of a file that has the mode.
func (m *machine) sum(at string, mode os.FileMode) (string, error) {
	f, err := m.files.Open(below(at))
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode() != mode {
		return "", errors.Join(err, fmt.Errorf("%s has another mode", at))
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

// verified passes content on and ends in errContent where it is not that of the
// hash, so that whoever copies it never takes it for whole.
type verified struct {
	from io.Reader
	hash hash.Hash
	want string
}

func (v verified) Read(b []byte) (int, error) {
	n, err := v.from.Read(b)
	v.hash.Write(b[:n])
	if errors.Is(err, io.EOF) {
		if sum := hex.EncodeToString(v.hash.Sum(nil)); sum != v.want {
			return n, fmt.Errorf("%w: its SHA-256 is %s, not %s", errContent, sum, v.want)
		}
	}
	return n, err
}
