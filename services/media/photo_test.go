package media

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"math"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/image/draw"

	"github.com/burbn/burbn/services/rendition"
)

const testPixels = 20_000_000

func TestDevelopSizes(t *testing.T) {
	for _, tt := range []struct {
		name          string
		width, height int
		want          [4]image.Point // by Widths
	}{
		{"phone", 2016, 1512, [4]image.Point{{1080, 810}, {640, 480}, {320, 240}, {150, 113}}},
		{"narrower than some", 500, 300, [4]image.Point{{500, 300}, {500, 300}, {320, 192}, {150, 90}}},
		{"narrower than all", 100, 301, [4]image.Point{{100, 301}, {100, 301}, {100, 301}, {100, 301}}},
		{"one pixel", 1, 1, [4]image.Point{{1, 1}, {1, 1}, {1, 1}, {1, 1}}},
		{"line across", 4000, 1, [4]image.Point{{1080, 1}, {640, 1}, {320, 1}, {150, 1}}},
		{"line down", 1, 4000, [4]image.Point{{1, 4000}, {1, 4000}, {1, 4000}, {1, 4000}}},
		{"odd", 1081, 7, [4]image.Point{{1080, 7}, {640, 4}, {320, 2}, {150, 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := develop(t, phonePhoto(tt.width, tt.height))
			if p.Width != tt.width || p.Height != tt.height {
				t.Errorf("photo is %dx%d, want %dx%d", p.Width, p.Height, tt.width, tt.height)
			}
			for i, want := range tt.want {
				if got := decodeJPEG(t, p.Renditions[i].JPEG).Bounds().Size(); got != want {
					t.Errorf("rendition %d is %v, want %v", p.Renditions[i].Width, got, want)
				}
			}
			// What clients are told is what is there.
			for i, r := range rendition.Of("key", p.Width, p.Height, "https://cdn.example/") {
				if want := tt.want[3-i]; r.Width != want.X || r.Height != want.Y {
					t.Errorf("rendition %s is announced as %dx%d, is %v", r.URL, r.Width, r.Height, want)
				}
			}
		})
	}
}

func TestPortrait(t *testing.T) {
	for _, tt := range []struct {
		name                    string
		width, height, big, low int
	}{
		{"phone", 2016, 1512, 320, 150},
		{"upright", 1512, 2016, 320, 150},
		{"small", 101, 203, 101, 101},
		{"line", 1000, 1, 1, 1},
		{"odd", 321, 645, 320, 150},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewDarkroom(testPixels).Portrait(t.Context(), phonePhoto(tt.width, tt.height))
			if err != nil || len(p.Renditions) != 2 {
				t.Fatal(len(p.Renditions), err)
			}
			for i, want := range []int{tt.big, tt.low} {
				if got := decodeJPEG(t, p.Renditions[i].JPEG).Bounds().Size(); got != image.Pt(want, want) {
					t.Errorf("rendition %d is %v, want a square of %d", p.Renditions[i].Width, got, want)
				}
			}
		})
	}
	// It is the middle that is kept.
	m := image.NewRGBA(image.Rect(0, 0, 900, 300))
	draw.Draw(m, image.Rect(300, 0, 600, 300), image.NewUniform(color.RGBA{G: 200, A: 255}), image.Point{}, draw.Src)
	p, err := NewDarkroom(testPixels).Portrait(t.Context(), encodeJPEG(t, m))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []image.Point{{5, 5}, {294, 150}, {150, 294}} {
		if _, g, _, _ := decodeJPEG(t, p.Renditions[0].JPEG).At(at.X, at.Y).RGBA(); g>>8 < 150 {
			t.Errorf("at %v green is %d", at, g>>8)
		}
	}
}

func TestRenditionURLs(t *testing.T) {
	var got []string
	for _, r := range rendition.Of("ab/cd", 4032, 3024, "https://cdn.example") {
		got = append(got, fmt.Sprintf("%d %s", r.Width, r.URL))
	}
	want := []string{
		"150 https://cdn.example/ab/cd/150.jpg",
		"320 https://cdn.example/ab/cd/320.jpg",
		"640 https://cdn.example/ab/cd/640.jpg",
		"1080 https://cdn.example/ab/cd/1080.jpg",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Colours of the four corners of an upright photo, clockwise from the upper left.
var corners = [4]color.RGBA{{220, 40, 40, 255}, {40, 200, 40, 255}, {40, 40, 220, 255}, {230, 230, 230, 255}}

func TestDevelopOrientation(t *testing.T) {
	const w, h = 600, 400 // upright
	upright := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			upright.SetRGBA(x, y, corners[corner(x < w/2, y < h/2)])
		}
	}
	// How a camera that is held so stores the pixel that belongs at x, y.
	stored := map[int]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, w - 1 - x },
		7: func(x, y int) (int, int) { return h - 1 - y, w - 1 - x },
		8: func(x, y int) (int, int) { return h - 1 - y, x },
	}
	for o := 1; o <= 8; o++ {
		size := image.Rect(0, 0, w, h)
		if o >= 5 {
			size = image.Rect(0, 0, h, w)
		}
		m := image.NewRGBA(size)
		for y := range h {
			for x := range w {
				sx, sy := stored[o](x, y)
				m.SetRGBA(sx, sy, upright.RGBAAt(x, y))
			}
		}
		for name, original := range map[string][]byte{
			"jpeg": insert(encodeJPEG(t, m), 2, exifSegment(binary.LittleEndian, uint16(o))),
			"png":  insert(encodePNG(t, m), 33, chunk("eXIf", exif(binary.BigEndian, uint16(o)))),
		} {
			t.Run(fmt.Sprintf("%s/%d", name, o), func(t *testing.T) {
				p := develop(t, original)
				if p.Width != w || p.Height != h {
					t.Fatalf("photo is %dx%d, want %dx%d", p.Width, p.Height, w, h)
				}
				for _, r := range p.Renditions {
					m := decodeJPEG(t, r.JPEG)
					size := m.Bounds().Size()
					for i, at := range []image.Point{{size.X / 4, size.Y / 4}, {size.X * 3 / 4, size.Y / 4}, {size.X * 3 / 4, size.Y * 3 / 4}, {size.X / 4, size.Y * 3 / 4}} {
						if d := distance(m.At(at.X, at.Y), corners[i]); d > 12 {
							t.Errorf("rendition %d, corner %d is %v, want %v", r.Width, i, m.At(at.X, at.Y), corners[i])
						}
					}
				}
			})
		}
	}
}

func TestOrientationThatMakesNoSense(t *testing.T) {
	plain := encodeJPEG(t, image.NewGray(image.Rect(0, 0, 30, 20)))
	for name, segment := range map[string][]byte{
		"out of range":     exifSegment(binary.LittleEndian, 9),
		"zero":             exifSegment(binary.BigEndian, 0),
		"cut":              app(0xe1, exif(binary.BigEndian, 6)[:12]),
		"directory beyond": app(0xe1, []byte("Exif\x00\x00II*\x00\xff\xff\xff\xff")),
		"not EXIF":         app(0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00<x/>")),
	} {
		t.Run(name, func(t *testing.T) {
			if p := develop(t, insert(plain, 2, segment)); p.Width != 30 || p.Height != 20 {
				t.Errorf("photo is %dx%d, want it as it is stored", p.Width, p.Height)
			}
		})
	}
}

func TestDevelopStripsMetadata(t *testing.T) {
	secret := []byte("52.5200N 13.4050E")
	original := encodeJPEG(t, image.NewRGBA(image.Rect(0, 0, 200, 100)))
	for _, segment := range [][]byte{
		app(0xfe, secret), // comment
		app(0xed, append([]byte("Photoshop 3.0\x00"), secret...)),
		app(0xe1, append([]byte("http://ns.adobe.com/xap/1.0/\x00"), secret...)),
		app(0xe2, append([]byte("MPF\x00"), secret...)),
		app(0xe1, append(append([]byte("Exif\x00\x00"), exif(binary.LittleEndian, 1)...), secret...)),
		app(0xe2, append([]byte(iccTag+"\x01\x01"), iccProfile("RGB ", 548)...)),
	} {
		original = insert(original, 2, segment)
	}
	original = append(original, secret...) // after the end, as live photos do
	for _, r := range develop(t, original).Renditions {
		if bytes.Contains(r.JPEG, secret) {
			t.Errorf("rendition %d says where it was taken", r.Width)
		}
		want := []byte{0xe2, 0xdb, 0xc0, 0xc4, 0xda} // profile, tables, frame, tables, scan
		if got := markers(r.JPEG); !bytes.Equal(got, want) {
			t.Errorf("rendition %d has segments %x, want %x", r.Width, got, want)
		}
	}
}

func TestDevelopColourProfile(t *testing.T) {
	plain := encodeJPEG(t, image.NewRGBA(image.Rect(0, 0, 200, 100)))
	plainPNG := encodePNG(t, image.NewRGBA(image.Rect(0, 0, 200, 100)))
	p3 := iccProfile("RGB ", 548)
	part := func(seq, total byte, b []byte) []byte {
		return app(0xe2, append([]byte{'I', 'C', 'C', '_', 'P', 'R', 'O', 'F', 'I', 'L', 'E', 0, seq, total}, b...))
	}
	inPNG := func(icc []byte) []byte {
		var b bytes.Buffer
		b.WriteString("name\x00\x00")
		z := zlib.NewWriter(&b)
		z.Write(icc)
		z.Close()
		return insert(plainPNG, 33, chunk("iCCP", b.Bytes()))
	}
	for _, tt := range []struct {
		name     string
		original []byte
		want     []byte
	}{
		{"none", plain, nil},
		{"jpeg", insert(plain, 2, part(1, 1, p3)), p3},
		{"jpeg in parts, out of order", insert(insert(plain, 2, part(1, 2, p3[:200])), 2, part(2, 2, p3[200:])), p3},
		{"jpeg with a part missing", insert(plain, 2, part(1, 2, p3[:200])), nil},
		{"jpeg cut", insert(plain, 2, part(1, 1, p3[:500])), nil},
		{"jpeg, part 0", insert(plain, 2, part(0, 0, p3)), nil},
		{"jpeg, part 255", insert(plain, 2, part(255, 255, p3)), nil},
		{"jpeg, grey profile", insert(plain, 2, part(1, 1, iccProfile("GRAY", 400))), nil},
		{"jpeg, largest", insert(plain, 2, part(1, 1, iccProfile("RGB ", maxICC))), iccProfile("RGB ", maxICC)},
		{"jpeg, outsized", insert(insert(plain, 2, part(1, 2, iccProfile("RGB ", maxICC+1)[:60000])), 2, part(2, 2, iccProfile("RGB ", maxICC+1)[60000:])), nil},
		{"png", inPNG(p3), p3},
		{"png, inflating without end", inPNG(make([]byte, 50<<20)), nil},
		{"png, no profile in it", insert(plainPNG, 33, chunk("iCCP", []byte("name\x00\x00nonsense"))), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range develop(t, tt.original).Renditions {
				if got, _ := walk(r.JPEG); !bytes.Equal(got, tt.want) {
					t.Errorf("rendition %d has a profile of %d bytes, want %d", r.Width, len(got), len(tt.want))
				}
			}
		})
	}
}

func TestDevelopKinds(t *testing.T) {
	size := image.Rect(0, 0, 64, 64)
	fill := func(m draw.Image, c color.Color) image.Image {
		draw.Draw(m, size, image.NewUniform(c), image.Point{}, draw.Src)
		return m
	}
	red := color.RGBA{200, 30, 30, 255}
	for _, tt := range []struct {
		name     string
		original []byte
		want     color.RGBA
	}{
		{"jpeg", encodeJPEG(t, fill(image.NewRGBA(size), red)), red},
		{"grey jpeg", encodeJPEG(t, fill(image.NewGray(size), color.Gray{90})), color.RGBA{90, 90, 90, 255}},
		{"png", encodePNG(t, fill(image.NewRGBA(size), red)), red},
		{"png of 16 bits", encodePNG(t, fill(image.NewRGBA64(size), red)), red},
		{"grey png", encodePNG(t, fill(image.NewGray(size), color.Gray{90})), color.RGBA{90, 90, 90, 255}},
		{"palette", encodePNG(t, fill(image.NewPaletted(size, color.Palette{red, color.White}), red)), red},
		{"transparent", encodePNG(t, image.NewNRGBA(size)), color.RGBA{255, 255, 255, 255}},
		{"half transparent", encodePNG(t, fill(image.NewNRGBA(size), color.NRGBA{200, 0, 0, 128})), color.RGBA{227, 127, 127, 255}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range develop(t, tt.original).Renditions {
				if got := decodeJPEG(t, r.JPEG).At(32, 32); distance(got, tt.want) > 6 {
					t.Errorf("rendition %d is %v, want %v", r.Width, got, tt.want)
				}
			}
		})
	}
	for _, ratio := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	} {
		m := image.NewYCbCr(image.Rect(0, 0, 39, 23), ratio)
		f := newFrame(m)
		if got := (f.cb.h-1)*f.cb.stride + f.cb.w; got != len(m.Cb) {
			t.Errorf("%v: colour ends at %d, want %d", ratio, got, len(m.Cb))
		}
	}
	if f := newFrame(fill(image.NewCMYK(size), red)); distance(color.YCbCr{f.y.pix[0], f.cb.pix[0], f.cr.pix[0]}, red) > 6 {
		t.Errorf("CMYK is %v, want %v", f.y.pix[0], red)
	}
}

func TestDevelopRefuses(t *testing.T) {
	photo := phonePhoto(400, 300)
	picture := encodePNG(t, image.NewRGBA(image.Rect(0, 0, 400, 300)))
	var animation bytes.Buffer
	if err := gif.Encode(&animation, image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.White}), nil); err != nil {
		t.Fatal(err)
	}
	scan := bytes.Index(photo, []byte{0xff, 0xda})
	for _, tt := range []struct {
		name     string
		original []byte
		want     Reason
	}{
		{"nothing", nil, NotAnImage},
		{"text", []byte("hello"), NotAnImage},
		{"page", []byte("<!doctype html><img src=x>"), NotAnImage},
		{"video", []byte("\x1aE\xdf\xa3 webm"), NotAnImage},
		{"gif", animation.Bytes(), Unsupported},
		{"webp", []byte("RIFF\x24\x00\x00\x00WEBPVP8 "), Unsupported},
		{"heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), Unsupported},
		{"jpeg of 12 bits", replace(photo, []byte{0xff, 0xc0, 0, 17, 8}, []byte{0xff, 0xc0, 0, 17, 12}), Unsupported},
		{"arithmetic jpeg", replace(photo, []byte{0xff, 0xc0}, []byte{0xff, 0xc9}), Unsupported},
		{"jpeg of many scans", insert(photo, scan, bytes.Repeat([]byte("\xff\xda\x00\x02 \xff\x00"), 1000)), Unsupported},
		{"jpeg that is only a beginning", photo[:10], Corrupt},
		{"jpeg cut in its pixels", photo[:len(photo)/2], Corrupt},
		{"jpeg without its last byte", photo[:len(photo)-1], Corrupt},
		{"jpeg with no height", sized(photo, 400, 0), Corrupt},
		{"jpeg with other pixels", insert(photo[:scan+14], scan+14, bytes.Repeat([]byte{0xaa}, 100)), Corrupt},
		{"png that is only a beginning", picture[:20], Corrupt},
		{"png cut in its pixels", picture[:len(picture)-40], Corrupt},
		{"png with a wrong sum", replace(picture, []byte("IDAT"), []byte("IDAt")), Corrupt},
		{"jpeg bomb", sized(photo, 65500, 65500), TooManyPixels},
		{"png bomb", pngOf(60_000, 60_000), TooManyPixels},
		{"png beyond counting", pngOf(math.MaxInt32, math.MaxInt32), Unsupported},
		{"png longer than a jpeg can be", pngOf(1, 70_000), TooManyPixels},
		{"one row too many", pngOf(4000, testPixels/4000+1), TooManyPixels},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := NewDarkroom(testPixels).Develop(t.Context(), tt.original)
			runtime.ReadMemStats(&after)
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Reason != tt.want {
				t.Errorf("error is %v, want reason %s", err, tt.want)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
				t.Errorf("refusing cost %d bytes", used)
			}
		})
	}
}

// A long photo must not cost more than its pixels: the filter of
// golang.org/x/image/draw would want 2 GB for this one.
func TestDevelopMemory(t *testing.T) {
	original := encodePNG(t, image.NewGray(image.Rect(0, 0, 1090, 18000)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	develop(t, original)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 120<<20 {
		t.Errorf("a photo of 20 megapixels took %d MB", used>>20)
	}
}

// The renditions must look as good as those of a slower, exact filter.
func TestDevelopQuality(t *testing.T) {
	original := phonePhoto(4032, 3024)
	exact := decodeJPEG(t, original)
	p := develop(t, original)
	for i, least := range []float64{39, 38, 37, 35} { // decibels
		m := decodeJPEG(t, p.Renditions[i].JPEG)
		want := image.NewRGBA(m.Bounds())
		draw.CatmullRom.Scale(want, want.Rect, exact, exact.Bounds(), draw.Src, nil)
		if got := psnr(m, want); got < least {
			t.Errorf("rendition %d differs by %.1f dB from the exact one, want at least %.0f", p.Renditions[i].Width, got, least)
		} else {
			t.Logf("rendition %d: %.1f dB, %d bytes", p.Renditions[i].Width, got, len(p.Renditions[i].JPEG))
		}
	}
}

func TestResampleKeepsFlatFlat(t *testing.T) {
	for _, v := range []byte{0, 1, 127, 254, 255} {
		in := newPlane(301, 203)
		for i := range in.pix {
			in.pix[i] = v
		}
		for _, size := range []image.Point{{1, 1}, {7, 200}, {150, 101}, {300, 202}, {400, 300}} {
			if out := in.resize(size.X, size.Y); slices.Min(out.pix) != v || slices.Max(out.pix) != v {
				t.Errorf("%d at %v became %d to %d", v, size, slices.Min(out.pix), slices.Max(out.pix))
			}
		}
	}
}

func TestDarkroomIsBounded(t *testing.T) {
	room := NewDarkroom(testPixels)
	if err := room.pixels.Acquire(t.Context(), max(testPixels, int64(runtime.GOMAXPROCS(0))*pixelsPerCore)); err != nil {
		t.Fatal(err) // as much as all its room is taken
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var refusal *Refusal
	if _, err := room.Develop(ctx, phonePhoto(8, 8)); !errors.Is(err, context.Canceled) || errors.As(err, &refusal) {
		t.Errorf("error is %v, want that of the context", err)
	}
}

// Whatever is uploaded, the answer is renditions that decode, or a refusal.
func FuzzDevelop(f *testing.F) {
	small := phonePhoto(20, 10)
	f.Add(small)
	f.Add(insert(small, 2, exifSegment(binary.LittleEndian, 6)))
	f.Add(insert(small, 2, app(0xe2, append([]byte(iccTag+"\x01\x01"), iccProfile("RGB ", 200)...))))
	f.Add(insert(encodePNG(f, image.NewPaletted(image.Rect(0, 0, 9, 20), color.Palette{color.White})), 33, chunk("eXIf", exif(binary.BigEndian, 5))))
	f.Add([]byte("\x00\x00\x00\x18ftypheic"))
	room := NewDarkroom(1000)
	f.Fuzz(func(t *testing.T, original []byte) {
		p, err := room.Develop(t.Context(), original)
		if refusal := (*Refusal)(nil); err != nil && !errors.As(err, &refusal) {
			t.Fatalf("%v is no refusal", err)
		}
		for i, r := range p.Renditions {
			w, h := rendition.Fit(p.Width, p.Height, rendition.Widths()[i])
			if got := decodeJPEG(t, r.JPEG).Bounds().Size(); got != image.Pt(w, h) {
				t.Errorf("rendition %d is %v, want %dx%d", r.Width, got, w, h)
			}
		}
	})
}
