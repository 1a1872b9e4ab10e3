package media

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"net/http"
	"strings"

	"github.com/bep/imagemeta"
)

const (
	soi          = "\xff\xd8" // begins every JPEG
	pngSignature = "\x89PNG\r\n\x1a\n"
	iccTag       = "ICC_PROFILE\x00"

	// maxSide is the longest side that a JPEG can have.
	maxSide = math.MaxUint16
	// maxICC is what fits into one segment of a JPEG. Larger profiles are those of
	// scanners, and would outweigh a rendition.
	maxICC = math.MaxUint16 - 2 - len(iccTag) - 2
	// maxScans is several times what progressive encoders use. Each scan of a few
	// bytes can cost a pass over all pixels.
	maxScans = 64
)

// header is what a photo says of itself before its pixels are decoded.
type header struct {
	png           bool // else JPEG
	width, height int  // as stored
	orientation   orientation
	icc           []byte // nil: sRGB
}

// upright is the photo's size once it is turned as it was taken.
func (h header) upright() (w, height int) {
	if h.orientation.turned() {
		return h.height, h.width
	}
	return h.width, h.height
}

// readHeader refuses what cannot or must not be decoded. Metadata that makes no
// sense is ignored: it does not spoil the picture.
func readHeader(b []byte, maxPixels int) (header, error) {
	var (
		h      header
		config image.Config
		err    error
	)
	format := imagemeta.JPEG
	switch t := http.DetectContentType(b); {
	case t == "image/jpeg":
		config, err = jpeg.DecodeConfig(bytes.NewReader(b))
	case t == "image/png":
		h.png, format = true, imagemeta.PNG
		config, err = png.DecodeConfig(bytes.NewReader(b))
	case strings.HasPrefix(t, "image/"), len(b) >= 12 && string(b[4:8]) == "ftyp":
		return header{}, refuse(Unsupported, "content is %s: accepted are JPEG and PNG", t)
	default:
		return header{}, refuse(NotAnImage, "content is %s: accepted are JPEG and PNG", t)
	}
	if err != nil {
		return header{}, refusal(err)
	}
	h.width, h.height = config.Width, config.Height
	if h.width < 1 || h.height < 1 {
		return header{}, refuse(Corrupt, "size is %dx%d", h.width, h.height)
	}
	if h.width > maxSide || h.height > maxSide || h.width*h.height > maxPixels {
		return header{}, refuse(TooManyPixels, "size is %dx%d: accepted are %d pixels, %d a side", h.width, h.height, maxPixels, maxSide)
	}
	if h.png {
		h.icc = pngProfile(b)
	} else {
		icc, scans := walk(b)
		if scans > maxScans {
			return header{}, refuse(Unsupported, "JPEG of more than %d scans", maxScans)
		}
		h.icc = icc
	}
	h.orientation = readOrientation(b, format)
	return h, nil
}

// refusal gives a decoder's error its reason.
func refusal(err error) error {
	var j jpeg.UnsupportedError
	var p png.UnsupportedError
	if errors.As(err, &j) || errors.As(err, &p) {
		return &Refusal{Reason: Unsupported, Err: err}
	}
	return &Refusal{Reason: Corrupt, Err: err}
}

// readOrientation is 1, upright, unless EXIF says otherwise.
func readOrientation(b []byte, format imagemeta.ImageFormat) orientation {
	o := orientation(1)
	// The error is not looked at: broken EXIF is common in photos that are fine.
	_, _ = imagemeta.Decode(imagemeta.Options{
		R:           bytes.NewReader(b),
		ImageFormat: format,
		Sources:     imagemeta.EXIF,
		ShouldHandleTag: func(t imagemeta.TagInfo) bool {
			return t.Tag == "Orientation" && t.Namespace == "IFD0" // IFD1 is the thumbnail's
		},
		HandleTag: func(t imagemeta.TagInfo) error {
			if n, ok := t.Value.(uint16); ok && n >= 1 && n <= 8 {
				o = orientation(n)
			}
			return imagemeta.ErrStopWalking
		},
	})
	return o
}

// walk goes through a JPEG's segments as the decoder will, which skips whatever
// stands between them: it joins the colour profile and counts the scans, to one
// beyond maxScans.
func walk(b []byte) (icc []byte, scans int) {
	var parts [256][]byte // by sequence number, from 1
	var total int
	b = b[len(soi):]
	for scans <= maxScans {
		i := bytes.IndexByte(b, 0xff)
		if i < 0 {
			break
		}
		for b = b[i:]; len(b) > 0 && b[0] == 0xff; { // any number of them begins a marker
			b = b[1:]
		}
		if len(b) < 3 {
			break
		}
		marker := b[0]
		if marker == 0 || marker >= 0xd0 && marker <= 0xd7 { // of a scan's data
			b = b[1:]
			continue
		}
		length := 1 + int(binary.BigEndian.Uint16(b[1:]))
		if marker == 0xd9 || length < 3 || length > len(b) { // end of image, or of sense
			break
		}
		segment := b[3:length]
		b = b[length:]
		switch marker {
		case 0xda:
			scans++
		case 0xe2:
			if rest, ok := bytes.CutPrefix(segment, []byte(iccTag)); ok && len(rest) > 2 && scans == 0 {
				parts[rest[0]], total = rest[2:], int(rest[1])
			}
		}
	}
	for _, part := range parts[1 : total+1] {
		if part == nil {
			return nil, scans
		}
		icc = append(icc, part...)
	}
	return profile(icc), scans
}

// pngProfile is the colour profile of a PNG, which stands before its pixels.
func pngProfile(b []byte) []byte {
	b = b[len(pngSignature):]
	for len(b) >= 12 {
		length, kind := int(binary.BigEndian.Uint32(b)), string(b[4:8])
		if kind == "IDAT" || length > len(b)-12 {
			return nil
		}
		if kind == "iCCP" {
			_, compressed, ok := bytes.Cut(b[8:8+length], []byte{0}) // after its name
			if !ok || len(compressed) < 1 {
				return nil
			}
			z, err := zlib.NewReader(bytes.NewReader(compressed[1:])) // after the method, of which there is one
			if err != nil {
				return nil
			}
			icc, err := io.ReadAll(io.LimitReader(z, int64(maxICC)+1))
			if err != nil {
				return nil
			}
			return profile(icc)
		}
		b = b[12+length:]
	}
	return nil
}

// profile is icc if it can be kept: whole, not outsized, and of the colour space
// that the renditions have; profiles of CMYK and grey would tint them.
func profile(icc []byte) []byte {
	const head = 128
	if len(icc) < head || len(icc) > maxICC || int(binary.BigEndian.Uint32(icc)) != len(icc) ||
		string(icc[16:20]) != "RGB " || string(icc[36:40]) != "acsp" {
		return nil
	}
	return icc
}

// iccSegment is the profile as it stands in a JPEG, in one segment.
func iccSegment(icc []byte) []byte {
	s := []byte{0xff, 0xe2}
	s = binary.BigEndian.AppendUint16(s, uint16(2+len(iccTag)+2+len(icc)))
	s = append(s, iccTag...)
	s = append(s, 1, 1) // the first of one
	return append(s, icc...)
}
