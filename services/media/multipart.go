package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// ErrNoParts says that storage does not know, or not any more, the parts of an object
// that is being put in parts.
var ErrNoParts = errors.New("no such parts")

// MinPart is the size that each part but the last must have. There are at most MaxParts.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	MinPart  = 5 << 20
	MaxParts = 10_000
)

// BeginParts begins to put an object into the uploads in parts. It is not there before
// EndParts, and its parts are there until AbortParts.
func (o *Objects) BeginParts(ctx context.Context, key, contentType string) (upload string, err error) {
	r, err := o.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &o.uploads, Key: &key, ContentType: &contentType})
	if err != nil {
		return "", fmt.Errorf("begin parts of %s: %w", key, err)
	}
	return aws.ToString(r.UploadId), nil
}

// PutPart puts part number, from 1, and returns the tag by which EndParts names it. Put
// again it replaces what was put. ErrNoParts.
func (o *Objects) PutPart(ctx context.Context, key, upload string, number int, b []byte) (tag string, err error) {
	r, err := o.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &o.uploads, Key: &key, UploadId: &upload, PartNumber: aws.Int32(int32(number)), Body: bytes.NewReader(b),
	})
	if err != nil {
		return "", fmt.Errorf("put part %d of %s: %w", number, key, noParts(err))
	}
	return aws.ToString(r.ETag), nil
}

// EndParts makes the parts of those tags, from number 1 on, the object. ErrNoParts, also
// when one of them is not the one that was put last.
func (o *Objects) EndParts(ctx context.Context, key, upload string, tags []string) error {
	parts := make([]types.CompletedPart, len(tags))
	for i := range tags {
		parts[i] = types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: &tags[i]}
	}
	_, err := o.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &o.uploads, Key: &key, UploadId: &upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		return fmt.Errorf("end %d parts of %s: %w", len(tags), key, noParts(err))
	}
	return nil
}

// AbortParts removes what was put in parts and not ended. It may be repeated; an object
// that is there stays.
func (o *Objects) AbortParts(ctx context.Context, key, upload string) error {
	if upload == "" {
		return nil // nothing was begun
	}
	_, err := o.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &o.uploads, Key: &key, UploadId: &upload})
	if err = noParts(err); err != nil && !errors.Is(err, ErrNoParts) {
		return fmt.Errorf("abort parts of %s: %w", key, err)
	}
	return nil
}

// noParts makes what storage says of parts that it has not the sentinel.
func noParts(err error) error {
	if e := smithy.APIError(nil); errors.As(err, &e) && (e.ErrorCode() == "NoSuchUpload" || e.ErrorCode() == "InvalidPart") {
		return fmt.Errorf("%w: %w", ErrNoParts, err)
	}
	return err
}
