package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/burbn/burbn/services/settings"
)

var (
	// ErrNoObject says that storage holds nothing under the key.
	ErrNoObject = errors.New("no such object")
	// ErrTooLarge says that an object is larger than the caller takes.
	ErrTooLarge = errors.New("object is too large")
)

// storageTimeout bounds one request to storage, with the bytes that it carries.
const storageTimeout = 30 * time.Second

// Objects is the object store: phones put originals into the bucket of uploads,
// workers put renditions into the bucket of media. Its methods may be called by
// many goroutines.
type Objects struct {
	client  *s3.Client
	presign *s3.PresignClient
	uploads string
	media   string
	region  string
}

// NewObjects opens no connection. Storage with an endpoint of its own needs both
// keys and is asked by path (http://host/bucket/key); AWS's is asked by virtual
// host, and knows the machine by its role, without keys.
func NewObjects(storage settings.Storage, accessKey, secretKey string) (*Objects, error) {
	var identity aws.CredentialsProvider = ec2rolecreds.New()
	switch keys := accessKey != "" && secretKey != ""; {
	case keys:
		identity = credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")
	case storage.Endpoint != "" || accessKey != secretKey:
		return nil, errors.New("open object storage: access key and secret key must both be given")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64 // the default of 2 reconnects under load
	o := s3.Options{
		Region:       storage.Region,
		Credentials:  aws.NewCredentialsCache(identity),
		UsePathStyle: storage.Endpoint != "",
		HTTPClient:   &http.Client{Transport: transport, Timeout: storageTimeout},
		// A checksum that is only supported would become part of a phone's
		// signature, which cannot know the bytes.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if storage.Endpoint != "" {
		o.BaseEndpoint = aws.String(storage.Endpoint)
	}
	client := s3.New(o)
	return &Objects{
		client:  client,
		presign: s3.NewPresignClient(client),
		uploads: storage.Uploads,
		media:   storage.Media,
		region:  storage.Region,
	}, nil
}

// PresignPut signs one upload: whoever sends exactly these headers, with a body of
// exactly size bytes, to the URL before it expires may put the object. No request
// is made.
func (o *Objects) PresignPut(ctx context.Context, key, contentType string, size int64, expires time.Duration) (url string, headers http.Header, err error) {
	r, err := o.presign.PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket:        &o.uploads,
		Key:           &key,
		ContentType:   &contentType,
		ContentLength: &size,
	}, s3.WithPresignExpires(expires))
	if err != nil {
		return "", nil, fmt.Errorf("presign upload %s: %w", key, err)
	}
	headers = r.SignedHeader.Clone()
	headers.Del("Host") // every client sends it by itself
	return r.URL, headers, nil
}

// Head says what was uploaded under the key; ErrNoObject if nothing was.
func (o *Objects) Head(ctx context.Context, key string) (size int64, contentType string, err error) {
	r, err := o.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.uploads, Key: &key})
	if err != nil {
		return 0, "", fmt.Errorf("head upload %s: %w", key, noObject(err))
	}
	return aws.ToInt64(r.ContentLength), aws.ToString(r.ContentType), nil
}

// Get reads an uploaded original of at most limit bytes; ErrNoObject if there is
// none, ErrTooLarge if it is larger.
func (o *Objects) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	b, err := o.get(ctx, o.uploads, key, limit)
	if err != nil {
		return nil, fmt.Errorf("get upload %s: %w", key, err)
	}
	return b, nil
}

// GetRendition reads a rendition as Get an original.
func (o *Objects) GetRendition(ctx context.Context, key string, limit int64) ([]byte, error) {
	b, err := o.get(ctx, o.media, key, limit)
	if err != nil {
		return nil, fmt.Errorf("get rendition %s: %w", key, err)
	}
	return b, nil
}

func (o *Objects) get(ctx context.Context, bucket, key string, limit int64) ([]byte, error) {
	r, err := o.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, noObject(err)
	}
	defer r.Body.Close()
	size := aws.ToInt64(r.ContentLength)
	if size > limit {
		return nil, fmt.Errorf("%d bytes, accepted are %d: %w", size, limit, ErrTooLarge)
	}
	b := make([]byte, size)
	_, err = io.ReadFull(r.Body, b)
	return b, err
}

// Put writes a rendition. It is cached for ever: what is under a key never
// changes.
func (o *Objects) Put(ctx context.Context, key string, jpeg []byte) error {
	_, err := o.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:       &o.media,
		Key:          &key,
		Body:         bytes.NewReader(jpeg),
		ContentType:  aws.String("image/jpeg"),
		CacheControl: aws.String("public, max-age=31536000, immutable"),
	})
	if err != nil {
		return fmt.Errorf("put rendition %s: %w", key, err)
	}
	return nil
}

// deletedAtOnce is how many objects one request deletes at most.
const deletedAtOnce = 1000

// Delete deletes originals, or exports, from the uploads, and renditions from the media.
// What is not there is no error.
func (o *Objects) Delete(ctx context.Context, uploads, media []string) error {
	for _, of := range []struct {
		bucket string
		keys   []string
	}{{o.uploads, uploads}, {o.media, media}} {
		for keys := range slices.Chunk(of.keys, deletedAtOnce) {
			if err := o.delete(ctx, of.bucket, keys); err != nil {
				return fmt.Errorf("delete %d objects of bucket %s: %w", len(keys), of.bucket, err)
			}
		}
	}
	return nil
}

func (o *Objects) delete(ctx context.Context, bucket string, keys []string) error {
	ids := make([]types.ObjectIdentifier, len(keys))
	for i := range keys {
		ids[i].Key = &keys[i]
	}
	r, err := o.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range r.Errors {
		// AWS says of what is not there that it is deleted, others say what it is.
		if aws.ToString(e.Code) != "NoSuchKey" {
			errs = append(errs, fmt.Errorf("%s: %s: %s", aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message)))
		}
	}
	return errors.Join(errs...)
}

// PresignGet signs one download from the uploads, which a browser saves under the name.
// Whoever has the URL may fetch the object until it expires; on AWS the keys of the
// machine's role end it sooner, after some hours. No request is made.
func (o *Objects) PresignGet(ctx context.Context, key, filename string, life time.Duration) (url string, err error) {
	r, err := o.presign.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket:                     &o.uploads,
		Key:                        &key,
		ResponseContentDisposition: aws.String(mime.FormatMediaType("attachment", map[string]string{"filename": filename})),
	}, s3.WithPresignExpires(life))
	if err != nil {
		return "", fmt.Errorf("presign download %s: %w", key, err)
	}
	return r.URL, nil
}

// Ping says whether both buckets answer.
func (o *Objects) Ping(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, bucket := range []string{o.uploads, o.media} {
		g.Go(func() error {
			if _, err := o.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket}); err != nil {
				return fmt.Errorf("head bucket %s: %w", bucket, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// EnsureBuckets makes what is missing of the two buckets, and lets everyone read
// (not list) the media. It may run any number of times. On AWS the buckets are the
// infrastructure's, and only the CDN may read.
func (o *Objects) EnsureBuckets(ctx context.Context) error {
	for _, bucket := range []string{o.uploads, o.media} {
		in := &s3.CreateBucketInput{Bucket: &bucket}
		if o.region != "us-east-1" { // which alone must not be named
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(o.region)}
		}
		_, err := o.client.CreateBucket(ctx, in)
		if ours := (*types.BucketAlreadyOwnedByYou)(nil); err != nil && !errors.As(err, &ours) {
			return fmt.Errorf("create bucket %s: %w", bucket, err)
		}
	}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}`, o.media)
	if _, err := o.client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &o.media, Policy: &policy}); err != nil {
		return fmt.Errorf("let everyone read bucket %s: %w", o.media, err)
	}
	return nil
}

// AllowOrigins lets pages of these origins, and no others, send presigned uploads from a
// browser. On AWS the rule is the infrastructure's.
func (o *Objects) AllowOrigins(ctx context.Context, origins []string) error {
	var err error
	if len(origins) == 0 {
		_, err = o.client.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: &o.uploads})
	} else {
		_, err = o.client.PutBucketCors(ctx, &s3.PutBucketCorsInput{
			Bucket: &o.uploads,
			CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{
				AllowedMethods: []string{http.MethodPut},
				AllowedOrigins: origins,
				AllowedHeaders: []string{"content-type", "content-length"},
				ExposeHeaders:  []string{"etag"},
				MaxAgeSeconds:  aws.Int32(3600),
			}}},
		})
	}
	if err != nil {
		return fmt.Errorf("let pages of %q upload to bucket %s: %w", origins, o.uploads, err)
	}
	return nil
}

// noObject makes storage's "not found" of a key, which HEAD and GET word
// differently, the sentinel.
func noObject(err error) error {
	var head *types.NotFound
	var get *types.NoSuchKey
	if errors.As(err, &head) || errors.As(err, &get) {
		return ErrNoObject
	}
	return err
}
