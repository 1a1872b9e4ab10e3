// Package geo divides the earth into cells (geohash), under whose names photos are listed
// by where they were taken, and says which of them a circle touches.
//
// Cells of one length grow narrow towards the poles, where a circle of a few kilometres
// would touch thousands. So they are long names in the latitudes where people live, and
// shorter, thus larger ones, beyond; a circle never touches more than MaxCells. The package
// takes the earth for a sphere, which is wrong by at most half a percent.
package geo

import (
	"fmt"
	"math"
	"slices"
)

// What a Circle may have for a radius, in metres.
const (
	MinRadius = 100
	MaxRadius = 5000
)

// MaxCells is the most that a circle touches.
const MaxCells = 40

// radius is that of the earth, in metres.
const radius = 6_371_008.8

// bands are from which latitude on, north or south, names have which length: 4.9 by 4.9
// to 1.7 km; 156 by 53 to 5 km; an eighth of the polar cap.
var bands = [...]struct {
	from   float64
	length int
}{{0, 5}, {70, 3}, {88, 1}}

// Valid says whether there is such a point: latitude from -90 to 90 degrees, longitude
// from -180 to 180.
func Valid(latitude, longitude float64) bool {
	return math.Abs(latitude) <= 90 && math.Abs(longitude) <= 180 // neither is so of NaN
}

// Cell is the name of the cell of a valid point.
func Cell(latitude, longitude float64) string {
	length := bands[0].length
	for _, b := range bands {
		if math.Abs(latitude) >= b.from {
			length = b.length
		}
	}
	g := gridOf(length)
	return g.name(g.row(latitude), g.column(longitude))
}

// A Circle is what lies within a distance of a point.
type Circle struct {
	latitude, longitude, metres float64
	South, North                float64 // its latitudes
	Reach                       float64 // how far it goes east and west, in degrees
}

// Around is the circle of a valid point, with a radius from MinRadius to MaxRadius metres.
func Around(latitude, longitude, metres float64) (Circle, error) {
	if !Valid(latitude, longitude) {
		return Circle{}, fmt.Errorf("no point of the earth: %g, %g; accepted are latitudes from -90 to 90 and longitudes from -180 to 180 degrees", latitude, longitude)
	}
	if !(metres >= MinRadius && metres <= MaxRadius) {
		return Circle{}, fmt.Errorf("a radius of %g m; accepted are %d to %d", metres, MinRadius, MaxRadius)
	}
	// A little more, so that rounding leaves nothing out.
	angle := metres / radius * (1 + 1e-9)
	c := Circle{latitude, longitude, metres, latitude - degrees(angle), latitude + degrees(angle), 180}
	if c.South > -90 && c.North < 90 { // otherwise a pole is in it, and every longitude
		c.Reach = degrees(math.Asin(math.Sin(angle) / math.Cos(radians(latitude))))
	}
	c.South, c.North = max(c.South, -90), min(c.North, 90)
	return c, nil
}

// Meridians are between which c lies: from west eastwards to east, which is the lesser of
// the two where the antimeridian is between them.
func (c Circle) Meridians() (west, east float64) {
	if c.Reach == 180 {
		return -180, 180
	}
	return wrap(c.longitude - c.Reach), wrap(c.longitude + c.Reach)
}

// Contains says whether a point lies in c.
func (c Circle) Contains(latitude, longitude float64) bool {
	return Distance(c.latitude, c.longitude, latitude, longitude) <= c.metres
}

// Cells are the names of the cells that c touches, and perhaps of a few beside it: every
// point in c lies in one of them.
func (c Circle) Cells() []string {
	var names []string
	for i, b := range bands {
		to := 90.0
		if i+1 < len(bands) {
			to = bands[i+1].from
		}
		g := gridOf(b.length)
		names = c.cells(g, max(c.South, b.from), min(c.North, to), names)
		if b.from > 0 || c.South < 0 {
			names = c.cells(g, max(c.South, -to), min(c.North, -b.from), names)
		}
	}
	return names
}

// cells adds those of a grid between two latitudes to names, each once.
func (c Circle) cells(g grid, south, north float64, names []string) []string {
	if south > north {
		return names
	}
	west, east := c.Meridians()
	first, last := g.column(west), g.column(east)
	n := (last-first+g.columns)%g.columns + 1
	if c.Reach >= 180-360/float64(g.columns) {
		first, n = 0, g.columns
	}
	for row := g.row(south); row <= g.row(north); row++ {
		for i := range n {
			// The row of the equator belongs to neither half.
			if name := g.name(row, (first+i)%g.columns); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// Distance is how far two points are from each other, in metres (haversine).
func Distance(latitude1, longitude1, latitude2, longitude2 float64) float64 {
	a, b := radians(latitude1), radians(latitude2)
	h := square(math.Sin((b-a)/2)) + math.Cos(a)*math.Cos(b)*square(math.Sin(radians(longitude2-longitude1)/2))
	return 2 * radius * math.Asin(math.Sqrt(min(1, h)))
}

// grid is the cells of one length of name.
type grid struct{ length, rows, columns int }

// gridOf: five bits a character, in turns for the longitude and for the latitude.
func gridOf(length int) grid {
	bits := 5 * length
	return grid{length, 1 << (bits / 2), 1 << ((bits + 1) / 2)}
}

func (g grid) row(latitude float64) int {
	return min(g.rows-1, int((latitude+90)/180*float64(g.rows)))
}

func (g grid) column(longitude float64) int {
	return min(g.columns-1, int((longitude+180)/360*float64(g.columns)))
}

// name is the geohash of a cell.
func (g grid) name(row, column int) string {
	const alphabet = "0123456789bcdefghjkmnpqrstuvwxyz"
	name := make([]byte, g.length)
	turn := g.columns > g.rows // whether the lowest bit is of the longitude
	for i := g.length - 1; i >= 0; i-- {
		var digit int
		for bit := range 5 {
			from := &row
			if turn {
				from = &column
			}
			digit |= *from & 1 << bit
			*from >>= 1
			turn = !turn
		}
		name[i] = alphabet[digit]
	}
	return string(name)
}

// wrap brings a longitude beyond the antimeridian back.
func wrap(longitude float64) float64 {
	switch {
	case longitude < -180:
		return longitude + 360
	case longitude > 180:
		return longitude - 360
	}
	return longitude
}

func degrees(radians float64) float64 { return radians * 180 / math.Pi }
func radians(degrees float64) float64 { return degrees * math.Pi / 180 }
func square(x float64) float64        { return x * x }
