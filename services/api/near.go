package main

import (
	"context"
	"strconv"

	"github.com/burbn/burbn/services/geo"
)

// NearBy is a circle on the earth.
type NearBy struct {
	Latitude  float64 `query:"latitude" required:"true" minimum:"-90" maximum:"90" doc:"Degrees."`
	Longitude float64 `query:"longitude" required:"true" minimum:"-180" maximum:"180" doc:"Degrees."`
	Radius    int     `query:"radius" minimum:"100" maximum:"5000" default:"1000" doc:"Metres."`
	PageOf
}

// listMediaNear answers newest first, not nearest first: what is new there is what people
// look for, and pages are stable. Photos say where they were taken.
func (a *api) listMediaNear(ctx context.Context, in *NearBy) (*listed[Photo], error) {
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	if !geo.Valid(in.Latitude, in.Longitude) { // NaN is within all bounds
		return nil, invalid("latitude", "accepted are latitudes from -90 to 90 and longitudes from -180 to 180 degrees")
	}
	circle, err := geo.Around(in.Latitude, in.Longitude, float64(in.Radius))
	if err != nil {
		return nil, err
	}
	ids, next, err := a.store.MediaNear(ctx, circle, before, in.Limit)
	if err != nil {
		return nil, err
	}
	photos, err := a.discovered(ctx, ids, func(p Photo) bool {
		return p.Location != nil && circle.Contains(p.Location.Latitude, p.Location.Longitude)
	})
	if err != nil {
		return nil, err
	}
	cursor := ""
	if next != 0 {
		cursor = strconv.FormatInt(int64(next), 10)
	}
	return page(ctx, photos, cursor), nil
}
