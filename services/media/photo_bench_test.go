package media

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"golang.org/x/image/draw"
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

// Twelve megapixels, as phones take them, to all renditions.
func BenchmarkDevelop(b *testing.B) {
	original := phonePhoto(4032, 3024)
	room := NewDarkroom(64_000_000)
	b.SetBytes(int64(len(original)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := room.Develop(context.Background(), original); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "photos/s")
}

// What decoding alone costs of it.
func BenchmarkDecode(b *testing.B) {
	original := phonePhoto(4032, 3024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jpeg.Decode(bytes.NewReader(original)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "photos/s")
}

// The same renditions by golang.org/x/image/draw, for comparison.
func BenchmarkDevelopByXImage(b *testing.B) {
	original := phonePhoto(4032, 3024)
	b.ReportAllocs()
	for b.Loop() {
		src, err := jpeg.Decode(bytes.NewReader(original))
		if err != nil {
			b.Fatal(err)
		}
		for _, nominal := range Widths() {
			w, h := fit(4032, 3024, nominal)
			dst := image.NewRGBA(image.Rect(0, 0, w, h))
			draw.CatmullRom.Scale(dst, dst.Rect, src, src.Bounds(), draw.Src, nil)
			var out bytes.Buffer
			if err := jpeg.Encode(&out, dst, &jpeg.Options{Quality: quality}); err != nil {
				b.Fatal(err)
			}
			src = dst
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "photos/s")
}
