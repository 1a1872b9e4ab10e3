package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// phonePhoto is a JPEG of w by h pixels as hard to decode as a photo: smooth
// shades, edges, and the noise of a sensor. It is the same every time.
func phonePhoto(w, h int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for y := range h {
		for x := range w {
			v := 40 + 120*x/w + 60*y/h
			if (x/97+y/61)%5 == 0 {
				v -= 40
			}
			m.Y[y*m.YStride+x] = byte(v + r.IntN(12))
		}
	}
	for i := range m.Cb {
		x, y := i%m.CStride, i/m.CStride
		m.Cb[i], m.Cr[i] = byte(100+60*x/m.CStride), byte(110+50*y*m.CStride/len(m.Cr))
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 92}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func develop(t testing.TB, original []byte) Photo {
	t.Helper()
	p, err := NewDarkroom(testPixels).Develop(context.Background(), original)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func corner(left, upper bool) int {
	switch {
	case left && upper:
		return 0
	case upper:
		return 1
	case left:
		return 3
	}
	return 2
}

func distance(a, b color.Color) int {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	d := func(a, b uint32) int { return max(int(a>>8)-int(b>>8), int(b>>8)-int(a>>8)) }
	return max(d(ar, br), d(ag, bg), d(ab, bb))
}

func psnr(a, b image.Image) float64 {
	var sum float64
	size := a.Bounds().Size()
	for y := range size.Y {
		for x := range size.X {
			p, q := color.YCbCrModel.Convert(a.At(x, y)).(color.YCbCr), color.YCbCrModel.Convert(b.At(x, y)).(color.YCbCr)
			d := float64(p.Y) - float64(q.Y)
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*float64(size.X*size.Y)/sum)
}

func decodeJPEG(t testing.TB, b []byte) image.Image {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func encodeJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func insert(b []byte, at int, more []byte) []byte { return slices.Insert(slices.Clone(b), at, more...) }

func replace(b, old, new []byte) []byte { return bytes.Replace(b, old, new, 1) }

// app is a segment of a JPEG.
func app(marker byte, content []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(content))), content...)
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// exif is a TIFF with one tag, the orientation.
func exif(order byteOrder, orientation uint16) []byte {
	b := []byte("MM\x00*")
	if order == byteOrder(binary.LittleEndian) {
		b = []byte("II*\x00")
	}
	b = order.AppendUint32(b, 8)      // where the directory is
	b = order.AppendUint16(b, 1)      // its tags
	b = order.AppendUint16(b, 0x0112) // orientation
	b = order.AppendUint16(b, 3)      // short
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, orientation)
	b = order.AppendUint16(b, 0)
	return order.AppendUint32(b, 0) // no other directory
}

func exifSegment(order byteOrder, orientation uint16) []byte {
	return app(0xe1, append([]byte("Exif\x00\x00"), exif(order, orientation)...))
}

func iccProfile(space string, size int) []byte {
	b := []byte(strings.Repeat("p", size))
	binary.BigEndian.PutUint32(b, uint32(size))
	copy(b[16:], space)
	copy(b[36:], "acsp")
	return b
}

// chunk is one of a PNG.
func chunk(kind string, content []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), kind...)
	b = append(b, content...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngOf is a PNG that claims a size.
func pngOf(w, h uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, w)
	b = binary.BigEndian.AppendUint32(b, h)
	return append([]byte(pngSignature), chunk("IHDR", append(b, 8, 2, 0, 0, 0))...)
}

// sized is a JPEG that claims another size.
func sized(photo []byte, w, h uint16) []byte {
	b := slices.Clone(photo)
	i := bytes.Index(b, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(b[i+5:], h)
	binary.BigEndian.PutUint16(b[i+7:], w)
	return b
}

// markers are those of a JPEG's segments, each kind once in a row.
func markers(b []byte) []byte {
	var ms []byte
	for i := 2; ; {
		ms = append(ms, b[i+1])
		if b[i+1] == 0xda {
			return slices.Compact(ms)
		}
		i += 2 + int(binary.BigEndian.Uint16(b[i+2:]))
	}
}
