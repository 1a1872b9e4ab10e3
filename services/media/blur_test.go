package media

import (
	"fmt"
	"image"
	"testing"

	"github.com/bbrks/go-blurhash"
)

func TestBlur(t *testing.T) {
	for _, size := range []image.Point{{1600, 1200}, {30, 20}, {1, 1}, {1, 3000}, {3000, 1}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			m := image.NewRGBA(image.Rectangle{Max: size})
			for y := range size.Y {
				for x := range size.X {
					m.SetRGBA(x, y, corners[corner(x < size.X/2, y < size.Y/2)])
				}
			}
			hash := develop(t, encodeJPEG(t, m)).Blur
			if len(hash) != 28 {
				t.Fatalf("BlurHash of %d characters, want 28: %s", len(hash), hash)
			}
			if size.X < 2 || size.Y < 2 {
				return
			}
			blurred, err := blurhash.Decode(hash, 40, 40, 1)
			if err != nil {
				t.Fatal(err)
			}
			for i, at := range []image.Point{{5, 5}, {35, 5}, {35, 35}, {5, 35}} {
				if got := blurred.At(at.X, at.Y); distance(got, corners[i]) > 90 {
					t.Errorf("corner %d is %v, want something like %v", i, got, corners[i])
				}
			}
		})
	}
}

func BenchmarkBlur(b *testing.B) {
	f := newFrame(image.NewYCbCr(image.Rect(0, 0, 150, 113), image.YCbCrSubsampleRatio420))
	for b.Loop() {
		if _, err := blur(f); err != nil {
			b.Fatal(err)
		}
	}
}
