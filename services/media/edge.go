package media

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/burbn/burbn/services/settings"
)

const (
	// edgeTimeout bounds one request to the edge.
	edgeTimeout = 10 * time.Second
	// purgesAtOnce is how many requests to an edge of our own are under way at once.
	purgesAtOnce = 8
	// pathsAtOnce is how many paths one invalidation names. CloudFront works on 3,000 of a
	// distribution at once, and bills each; a wildcard counts as one, but of these it works
	// on 15.
	// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
	pathsAtOnce = 1000
)

// Edge is the CDN, as far as it can be told to forget. Its methods may be called by
// many goroutines.
type Edge struct {
	purge  string // of an edge of our own
	client *http.Client

	distribution string // name of the TXT record
	cloudFront   *cloudfront.Client
	lookUp       func(ctx context.Context, name string) ([]string, error)
}

// NewEdge opens no connection. CloudFront knows the machine by its role.
func NewEdge(doc settings.Edge, options ...func(*cloudfront.Options)) *Edge {
	if doc.Purge != "" {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = purgesAtOnce
		// The edge obeys this address alone.
		dialer := &net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(doc.From)}}
		transport.DialContext = dialer.DialContext
		return &Edge{purge: strings.TrimSuffix(doc.Purge, "/"), client: &http.Client{Transport: transport, Timeout: edgeTimeout}}
	}
	return &Edge{
		distribution: doc.Distribution,
		cloudFront: cloudfront.New(cloudfront.Options{
			Region:      doc.Region,
			Credentials: aws.NewCredentialsCache(ec2rolecreds.New()),
			HTTPClient:  &http.Client{Timeout: edgeTimeout},
		}, options...),
		lookUp: net.DefaultResolver.LookupTXT,
	}
}

// Purge has the edge forget the objects under the keys of the bucket of media. They must
// be gone from it already, or the edge would fetch them again. It may be called any
// number of times. CloudFront has begun, not ended, when it returns: its edges follow
// within seconds.
func (e *Edge) Purge(ctx context.Context, keys ...string) error {
	if e.cloudFront == nil {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(purgesAtOnce)
		for _, key := range keys {
			g.Go(func() error { return e.purgeOwn(ctx, key) })
		}
		return g.Wait()
	}
	for some := range slices.Chunk(keys, pathsAtOnce) {
		if err := e.invalidate(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// purgeOwn has an edge of our own ask storage for the object, and keep the answer that
// it is gone instead.
func (e *Edge) purgeOwn(ctx context.Context, key string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.purge+edgePath(key), nil)
	if err != nil {
		return fmt.Errorf("purge %s: %w", key, err)
	}
	res, err := e.client.Do(r)
	if err != nil {
		return fmt.Errorf("purge %s: %w", key, err)
	}
	res.Body.Close()
	// Only what storage itself said, past the cache, is kept instead.
	switch asked := res.Header.Get("X-Cache") == "BYPASS"; {
	case asked && res.StatusCode == http.StatusNotFound:
		return nil
	case asked && res.StatusCode == http.StatusOK:
		return fmt.Errorf("purge %s: storage still has it", key)
	default:
		return fmt.Errorf("purge %s: the edge answered %s", key, res.Status)
	}
}

// invalidate asks CloudFront once. Its own retries are the same invalidation, a later
// call is another.
func (e *Edge) invalidate(ctx context.Context, keys []string) error {
	ids, err := e.lookUp(ctx, e.distribution)
	if err == nil && len(ids) != 1 {
		err = fmt.Errorf("it has %d values: accepted is one", len(ids))
	}
	if err != nil {
		return fmt.Errorf("look up the distribution at %s: %w", e.distribution, err)
	}
	paths := make([]string, len(keys))
	for i, key := range keys {
		paths[i] = edgePath(key)
	}
	_, err = e.cloudFront.CreateInvalidation(ctx, &cloudfront.CreateInvalidationInput{
		DistributionId: &ids[0],
		InvalidationBatch: &types.InvalidationBatch{
			CallerReference: aws.String(uuid.NewString()),
			Paths:           &types.Paths{Items: paths, Quantity: aws.Int32(int32(len(paths)))},
		},
	})
	if busy := (*types.TooManyInvalidationsInProgress)(nil); errors.As(err, &busy) {
		return fmt.Errorf("purge %d objects: CloudFront is at work on as many as it can: %w", len(keys), err)
	}
	if err != nil {
		return fmt.Errorf("purge %d objects: %w", len(keys), err)
	}
	return nil
}

// edgePath is the path of an object's URL.
func edgePath(key string) string { return (&url.URL{Path: "/" + key}).EscapedPath() }
