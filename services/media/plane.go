package media

import (
	"image"
	"image/color"
	"image/draw"
	"math"
)

// plane is one channel of a picture, a byte a sample.
type plane struct {
	pix    []byte
	stride int // from one row to the next
	w, h   int
}

func newPlane(w, h int) plane { return plane{make([]byte, w*h), w, w, h} }

func (p plane) row(y int) []byte { return p.pix[y*p.stride:][:p.w] }

// crop is the part of p of w by h from x, y on, within the same memory.
func (p plane) crop(x, y, w, h int) plane {
	return plane{p.pix[y*p.stride+x:], p.stride, w, h}
}

// resize makes a plane of another size. What is to become much smaller is first
// averaged in squares of whole samples, which is several times faster, down to no
// less than one and a half times the size, below which it would show.
func (p plane) resize(w, h int) plane {
	if w == p.w && h == p.h {
		return p
	}
	if k := min(2*p.w/(3*w), 2*p.h/(3*h)); k > 1 {
		p = p.shrink(k)
	}
	return p.resample(w, h)
}

// shrink averages squares of k by k samples, what is left of them at the right and
// the lower edge.
func (p plane) shrink(k int) plane {
	out := newPlane((p.w+k-1)/k, (p.h+k-1)/k)
	columns := make([]uint32, p.w)
	for y := range out.h {
		clear(columns)
		rows := min(k, p.h-y*k)
		for r := range rows {
			for x, v := range p.row(y*k + r)[:len(columns)] {
				columns[x] += uint32(v)
			}
		}
		rest := columns
		for x := range out.w {
			square := rest[:min(k, len(rest))]
			rest = rest[len(square):]
			var sum uint32
			for _, v := range square {
				sum += v
			}
			n := uint32(rows * len(square))
			out.pix[y*out.w+x] = byte((sum + n/2) / n)
		}
	}
	return out
}

// resample filters in both directions by Catmull and Rom's cubic. It keeps as
// many rows as the filter is high, so that a long photo costs no more memory than a
// short one.
func (p plane) resample(w, h int) plane {
	out := newPlane(w, h)
	across, down := newFilter(p.w, w), newFilter(p.h, h)
	ring := make([][]int32, down.taps) // filtered rows, by row modulo taps
	for i := range ring {
		ring[i] = make([]int32, w)
	}
	sums := make([]int32, w)
	next := 0 // the first row that is not yet in the ring
	for y := range h {
		first := down.first[y]
		for next = max(next, first); next < first+down.taps; next++ {
			across.apply(ring[next%down.taps], p.row(next))
		}
		for x := range sums {
			sums[x] = 1 << (rowBits + weightBits - 1)
		}
		for t, weight := range down.weights[y*down.taps:][:down.taps] {
			for x, v := range ring[(first+t)%down.taps] {
				sums[x] += weight * v
			}
		}
		for x, sum := range sums {
			out.pix[y*w+x] = byte(min(max(sum>>(rowBits+weightBits), 0), 255))
		}
	}
	return out
}

// Fixed point: weights have 14 bits after the point, filtered rows 6, so that
// their product, with a byte and the overshoot of the cubic, fits into 31.
const (
	weightBits = 14
	rowBits    = 6
)

// filter says of which samples each of a smaller (or larger) row is made.
type filter struct {
	taps    int
	first   []int   // sample from which on, by place
	weights []int32 // taps of them by place, in sum 1<<weightBits
}

func newFilter(from, to int) filter {
	ratio := float64(from) / float64(to)
	spread := max(ratio, 1)
	f := filter{taps: min(from, int(math.Ceil(4*spread))+1), first: make([]int, to)}
	f.weights = make([]int32, to*f.taps)
	exact := make([]float64, f.taps)
	for i := range to {
		center := (float64(i)+0.5)*ratio - 0.5
		f.first[i] = min(max(int(math.Ceil(center-2*spread)), 0), from-f.taps)
		var sum float64
		for t := range exact {
			exact[t] = catmullRom((float64(f.first[i]+t) - center) / spread)
			sum += exact[t]
		}
		// What is rounded off goes into the next tap, so that flat stays flat.
		var carry float64
		for t, v := range exact {
			carry += v / sum * (1 << weightBits)
			rounded := math.Round(carry)
			f.weights[i*f.taps+t] = int32(rounded)
			carry -= rounded
		}
	}
	return f
}

// apply filters a row of samples into dst.
func (f filter) apply(dst []int32, src []byte) {
	for i := range dst {
		sum := int32(1 << (weightBits - rowBits - 1))
		in := src[f.first[i]:][:f.taps]
		for t, weight := range f.weights[i*f.taps:][:f.taps] {
			sum += weight * int32(in[t])
		}
		dst[i] = sum >> (weightBits - rowBits)
	}
}

func catmullRom(x float64) float64 {
	switch x = math.Abs(x); {
	case x < 1:
		return (1.5*x-2.5)*x*x + 1
	case x < 2:
		return ((-0.5*x+2.5)*x-4)*x + 2
	}
	return 0
}

// orientation is EXIF's: 1 is upright, 2 to 8 say how the picture is stored
// instead.
type orientation int

// turned says that width and height are swapped.
func (o orientation) turned() bool { return o >= 5 }

// orient makes the picture upright.
func (p plane) orient(o orientation) plane {
	right, bottom := p.w-1, (p.h-1)*p.stride
	var from, across, down int // where the upright picture begins, and its steps
	switch o {
	case 2:
		from, across, down = right, -1, p.stride
	case 3:
		from, across, down = bottom+right, -1, -p.stride
	case 4:
		from, across, down = bottom, 1, -p.stride
	case 5:
		from, across, down = 0, p.stride, 1
	case 6:
		from, across, down = bottom, -p.stride, 1
	case 7:
		from, across, down = bottom+right, -p.stride, -1
	case 8:
		from, across, down = right, p.stride, -1
	default:
		return p
	}
	out := newPlane(p.w, p.h)
	if o.turned() {
		out = newPlane(p.h, p.w)
	}
	for y := range out.h {
		for x := range out.w {
			out.pix[y*out.w+x] = p.pix[from+y*down+x*across]
		}
	}
	return out
}

// chromaSize is the size of the colour channels that go with w by h samples of
// light.
func chromaSize(r image.YCbCrSubsampleRatio, w, h int) (int, int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return (w + 1) / 2, h
	case image.YCbCrSubsampleRatio420:
		return (w + 1) / 2, (h + 1) / 2
	case image.YCbCrSubsampleRatio440:
		return w, (h + 1) / 2
	case image.YCbCrSubsampleRatio411:
		return (w + 3) / 4, h
	case image.YCbCrSubsampleRatio410:
		return (w + 3) / 4, (h + 1) / 2
	}
	return w, h
}

// convert turns any picture into channels, on white, a row at a time.
func convert(img image.Image) frame {
	b := img.Bounds()
	f := frame{newPlane(b.Dx(), b.Dy()), newPlane(b.Dx(), b.Dy()), newPlane(b.Dx(), b.Dy())}
	row := image.NewRGBA(image.Rect(0, 0, b.Dx(), 1))
	for y := range b.Dy() {
		draw.Draw(row, row.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(row, row.Rect, img, b.Min.Add(image.Pt(0, y)), draw.Over)
		for x := range b.Dx() {
			p, i := row.Pix[4*x:][:3], y*b.Dx()+x
			f.y.pix[i], f.cb.pix[i], f.cr.pix[i] = color.RGBToYCbCr(p[0], p[1], p[2])
		}
	}
	return f
}
