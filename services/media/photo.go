package media

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"runtime"
	"slices"

	"golang.org/x/sync/semaphore"

	"github.com/burbn/burbn/services/rendition"
)

// Reason says, in a word that clients can translate, why a photo was refused.
type Reason string

const (
	NotAnImage    Reason = "not_an_image"
	Unsupported   Reason = "unsupported" // an image, but not one that is taken: HEIC, WebP, arithmetic-coded JPEG
	TooManyPixels Reason = "too_many_pixels"
	Corrupt       Reason = "corrupt"
)

// A Refusal is the verdict that no retry will change: these bytes will not become
// a photo.
type Refusal struct {
	Reason Reason
	Err    error // the detail, for the log
}

func (r *Refusal) Error() string { return fmt.Sprintf("photo refused, %s: %v", r.Reason, r.Err) }
func (r *Refusal) Unwrap() error { return r.Err }

func refuse(reason Reason, format string, args ...any) error {
	return &Refusal{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// A Photo is an original made fit to be seen: upright, with nothing of its
// metadata but the colour profile.
type Photo struct {
	Width, Height int // of the original, upright
	Renditions    []Encoded
	Blur          string // BlurHash
}

// Encoded is one rendition as JPEG.
type Encoded struct {
	Width int // nominal, as in RenditionKey
	JPEG  []byte
}

// quality of the renditions: above it files grow faster than the eye notices.
const quality = 85

// A Darkroom turns originals into renditions. It works on a bounded number of
// pixels at a time, however many tasks ask: each pixel costs at most 24 bytes
// (progressive JPEG in CMYK), usually 1.5. It does not look at what a photo shows.
type Darkroom struct {
	maxPixels int
	pixels    *semaphore.Weighted
}

// pixelsPerCore keeps each core busy with a photo of today's phones while the next
// one is read.
const pixelsPerCore = 24_000_000

// NewDarkroom refuses photos of more than maxPixels.
func NewDarkroom(maxPixels int) *Darkroom {
	return &Darkroom{
		maxPixels: maxPixels,
		pixels:    semaphore.NewWeighted(int64(max(maxPixels, runtime.GOMAXPROCS(0)*pixelsPerCore))),
	}
}

// Develop makes the renditions of a JPEG or PNG. What can never become a photo is
// a *Refusal; the only other error is that of ctx, while it waits its turn.
func (d *Darkroom) Develop(ctx context.Context, original []byte) (Photo, error) {
	return d.develop(ctx, original, func(f frame, h header) frame {
		width, height := h.upright()
		w, high := rendition.Fit(width, height, rendition.Widths()[0])
		return f.upright(w, high, h.orientation)
	}, rendition.Widths())
}

// Portrait makes the renditions of an avatar: the square in the middle of a JPEG or
// PNG. Its errors are Develop's.
func (d *Darkroom) Portrait(ctx context.Context, original []byte) (Photo, error) {
	return d.develop(ctx, original, func(f frame, h header) frame {
		width, height := h.upright()
		short := min(width, height)
		side := min(short, rendition.AvatarWidths()[0])
		return f.upright(max(side, width*side/short), max(side, height*side/short), h.orientation).square()
	}, rendition.AvatarWidths())
}

// develop makes the first rendition by first, and each other one of the one before,
// which is already small.
func (d *Darkroom) develop(ctx context.Context, original []byte, first func(frame, header) frame, widths []int) (Photo, error) {
	h, err := readHeader(original, d.maxPixels)
	if err != nil {
		return Photo{}, err
	}
	weight := int64(h.width) * int64(h.height)
	if err := d.pixels.Acquire(ctx, weight); err != nil {
		return Photo{}, fmt.Errorf("wait for the darkroom: %w", err)
	}
	defer d.pixels.Release(weight)

	f, err := decode(original, h)
	if err != nil {
		return Photo{}, err
	}
	f = first(f, h)
	p := Photo{}
	p.Width, p.Height = h.upright()
	width, height := f.y.w, f.y.h
	for i, nominal := range widths {
		if i > 0 {
			f = f.resize(rendition.Fit(width, height, nominal))
		}
		b, err := encode(f, h.icc)
		if err != nil {
			return Photo{}, fmt.Errorf("encode rendition of width %d: %w", nominal, err)
		}
		p.Renditions = append(p.Renditions, Encoded{Width: nominal, JPEG: b})
	}
	if p.Blur, err = blur(f); err != nil {
		return Photo{}, fmt.Errorf("blur: %w", err)
	}
	return p, nil
}

func decode(original []byte, h header) (frame, error) {
	read := jpeg.Decode
	if h.png {
		read = png.Decode
	}
	img, err := read(bytes.NewReader(original))
	if err != nil {
		return frame{}, refusal(err)
	}
	if b := img.Bounds(); b.Dx() != h.width || b.Dy() != h.height {
		return frame{}, refuse(Corrupt, "header says %dx%d, image is %dx%d", h.width, h.height, b.Dx(), b.Dy())
	}
	return newFrame(img), nil
}

// encode writes a JPEG whose only metadata is the colour profile, without which
// the wide colours of phones would look dull.
func encode(f frame, icc []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, f.image(), &jpeg.Options{Quality: quality}); err != nil {
		return nil, err
	}
	if icc == nil {
		return b.Bytes(), nil
	}
	return slices.Insert(b.Bytes(), len(soi), iccSegment(icc)...), nil
}

// frame is a picture in the three channels in which JPEG keeps it; those of colour
// may be smaller than that of light.
type frame struct{ y, cb, cr plane }

func (f frame) resize(w, h int) frame {
	return frame{f.y.resize(w, h), f.cb.resize((w+1)/2, (h+1)/2), f.cr.resize((w+1)/2, (h+1)/2)}
}

// upright is the frame, whose camera was held as o says, upright and of w by h.
func (f frame) upright(w, h int, o orientation) frame {
	if o.turned() {
		return f.resize(h, w).orient(o)
	}
	return f.resize(w, h).orient(o)
}

// square is the middle of a frame that resize made. It begins at even pixels, where
// those of colour begin too.
func (f frame) square() frame {
	side := min(f.y.w, f.y.h)
	x, y := (f.y.w-side)/2&^1, (f.y.h-side)/2&^1
	half := (side + 1) / 2
	return frame{f.y.crop(x, y, side, side), f.cb.crop(x/2, y/2, half, half), f.cr.crop(x/2, y/2, half, half)}
}

func (f frame) orient(o orientation) frame {
	return frame{f.y.orient(o), f.cb.orient(o), f.cr.orient(o)}
}

// image is for frames that resize made, whose colours have half the resolution.
func (f frame) image() *image.YCbCr {
	return &image.YCbCr{
		Y: f.y.pix, Cb: f.cb.pix, Cr: f.cr.pix,
		YStride: f.y.stride, CStride: f.cb.stride,
		SubsampleRatio: image.YCbCrSubsampleRatio420,
		Rect:           image.Rect(0, 0, f.y.w, f.y.h),
	}
}

// newFrame takes over what a decoder made. Transparency becomes white.
func newFrame(img image.Image) frame {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	switch m := img.(type) {
	case *image.YCbCr:
		cw, ch := chromaSize(m.SubsampleRatio, w, h)
		return frame{
			plane{m.Y, m.YStride, w, h},
			plane{m.Cb, m.CStride, cw, ch},
			plane{m.Cr, m.CStride, cw, ch},
		}
	case *image.Gray:
		none := plane{pix: []byte{128}, stride: 1, w: 1, h: 1}
		return frame{plane{m.Pix, m.Stride, w, h}, none, none}
	}
	return convert(img)
}
