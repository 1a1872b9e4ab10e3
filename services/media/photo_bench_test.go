package media

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"testing"

	"golang.org/x/image/draw"

	"github.com/burbn/burbn/services/rendition"
)

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
		for _, nominal := range rendition.Widths() {
			w, h := rendition.Fit(4032, 3024, nominal)
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
