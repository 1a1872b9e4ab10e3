package geo_test

import (
	"math"
	"slices"
	"testing"

	"github.com/burbn/burbn/services/geo"
)

func TestCell(t *testing.T) {
	for name, tt := range map[string]struct {
		latitude, longitude float64
		want                string
	}{
		"Jutland, as geohash.org has it": {57.64911, 10.40744, "u4pru"},
		"Golden Gate":                    {37.8199, -122.4783, "9q8zh"},
		"Null Island":                    {0, 0, "s0000"},
		"Longyearbyen":                   {78.2232, 15.6267, "umg"},
		"the North Pole":                 {90, 0, "u"},
		"the South Pole":                 {-90, 0, "h"},
		"the antimeridian, eastern end":  {0, 180, "xbpbp"},
		"the antimeridian, western end":  {0, -180, "80000"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := geo.Cell(tt.latitude, tt.longitude); got != tt.want {
				t.Errorf("Cell = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDistance(t *testing.T) {
	for name, tt := range map[string]struct {
		from, to [2]float64
		want     float64 // km
	}{
		"nowhere":                      {[2]float64{48, 11}, [2]float64{48, 11}, 0},
		"a degree of the equator":      {[2]float64{0, 0}, [2]float64{0, 1}, 111.195},
		"Paris to London":              {[2]float64{48.8566, 2.3522}, [2]float64{51.5074, -0.1278}, 343.556},
		"across the antimeridian":      {[2]float64{0, 179.5}, [2]float64{0, -179.5}, 111.195},
		"a pole, by whatever meridian": {[2]float64{90, 20}, [2]float64{90, -140}, 0},
		"to the other side":            {[2]float64{0, 0}, [2]float64{0, 180}, 20015.115},
	} {
		t.Run(name, func(t *testing.T) {
			if got := geo.Distance(tt.from[0], tt.from[1], tt.to[0], tt.to[1]) / 1000; math.Abs(got-tt.want) > 0.01 {
				t.Errorf("Distance = %.3f km, want %.3f", got, tt.want)
			}
		})
	}
}

func TestAroundRefuses(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, c := range map[string][3]float64{
		"latitude": {90.1, 0, 1000}, "longitude": {0, -180.1, 1000}, "too small": {0, 0, 99}, "too large": {0, 0, 5001},
		"no latitude": {nan, 0, 1000}, "no longitude": {0, nan, 1000}, "no radius": {0, 0, nan},
		"infinite": {inf, 0, 1000}, "minus infinite": {0, -inf, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := geo.Around(c[0], c[1], c[2]); err == nil {
				t.Errorf("Around = %v, want an error", c)
			}
		})
	}
}

// covers fails the test unless every point of the circle's rim, and of one within, lies in
// one of its cells.
func covers(t *testing.T, latitude, longitude, metres float64) {
	t.Helper()
	c, err := geo.Around(latitude, longitude, metres)
	if err != nil {
		t.Fatal(err)
	}
	cells := c.Cells()
	if len(cells) == 0 || len(cells) > geo.MaxCells {
		t.Errorf("%d cells around %g, %g: %v", len(cells), latitude, longitude, cells)
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(cells))); len(unique) != len(cells) {
		t.Errorf("cells twice around %g, %g: %v", latitude, longitude, cells)
	}
	if !slices.Contains(cells, geo.Cell(latitude, longitude)) {
		t.Errorf("%g, %g is in none of %v", latitude, longitude, cells)
	}
	for _, part := range []float64{0.5, 0.999} {
		for bearing := range 72 {
			y, x := destination(latitude, longitude, metres*part, float64(bearing)*5)
			if !c.Contains(y, x) {
				t.Fatalf("%g, %g is not within %g m of %g, %g", y, x, metres, latitude, longitude)
			}
			if y < c.South || y > c.North {
				t.Fatalf("%g is not from %g to %g", y, c.South, c.North)
			}
			if apart := math.Abs(x - longitude); min(apart, 360-apart) > c.Reach {
				t.Fatalf("%g is more than %g from %g", x, c.Reach, longitude)
			}
			if cell := geo.Cell(y, x); !slices.Contains(cells, cell) {
				t.Fatalf("%g, %g within %g m of %g, %g is in cell %s, want one of %v", y, x, metres, latitude, longitude, cell, cells)
			}
		}
	}
}

// destination is where somebody arrives who goes from a point straight on.
func destination(latitude, longitude, metres, bearing float64) (float64, float64) {
	rad := math.Pi / 180
	angle, φ, θ := metres/6_371_008.8, latitude*rad, bearing*rad
	y := math.Asin(math.Sin(φ)*math.Cos(angle) + math.Cos(φ)*math.Sin(angle)*math.Cos(θ))
	x := longitude*rad + math.Atan2(math.Sin(θ)*math.Sin(angle)*math.Cos(φ), math.Cos(angle)-math.Sin(φ)*math.Sin(y))
	return y / rad, math.Remainder(x/rad, 360)
}

func TestCells(t *testing.T) {
	for name, at := range map[string][2]float64{
		"Golden Gate":             {37.8199, -122.4783},
		"the equator":             {0, 30},
		"just south of it":        {-0.001, 30},
		"the antimeridian, east":  {-17, 179.999},
		"the antimeridian, west":  {52, -179.999},
		"on it":                   {0, 180},
		"where cells get larger":  {69.99, 25},
		"the same, in the south":  {-70.01, 25},
		"just below":              {69.9, 25},
		"where they do once more": {87.99, -180},
		"near the pole":           {89.97, 45},
		"the North Pole":          {90, 0},
		"the South Pole":          {-90, 123},
		"near the South Pole":     {-89.96, -179},
	} {
		for _, metres := range []float64{geo.MinRadius, 1000, geo.MaxRadius} {
			t.Run(name, func(t *testing.T) { covers(t, at[0], at[1], metres) })
		}
	}
}

// FuzzCells: whatever a client sends as coordinates is refused, or covered by few cells.
func FuzzCells(f *testing.F) {
	f.Add(37.8199, -122.4783, 1000.0)
	f.Add(90.0, 180.0, 5000.0)
	f.Add(math.NaN(), math.Inf(-1), 0.0)
	f.Fuzz(func(t *testing.T, latitude, longitude, metres float64) {
		if _, err := geo.Around(latitude, longitude, metres); err == nil {
			covers(t, latitude, longitude, metres)
		}
	})
}
