// Package media knows photos: their objects in storage, their renditions, and
// (Map) whose each one is.
//
// It deliberately keeps no row: what a photo's state is, and who may see it, is
// the store's. No photo byte passes through it on behalf of a phone: phones talk
// to object storage with a signature, and to the CDN.
package media

import (
	"fmt"
	"strings"
)

// A Rendition is one size in which clients can fetch a ready photo.
type Rendition struct {
	Width  int    `json:"width"`
	Height int    `json:"height"`
	URL    string `json:"url"`
}

// Widths are the nominal widths of the renditions, widest first. A photo that is
// narrower than one keeps its own width in it; there are always four.
func Widths() [4]int { return [...]int{1080, 640, 320, 150} }

// Renditions are those of a ready photo of width by height pixels, narrowest
// first, at the CDN whose URL begins with cdn.
func Renditions(key string, width, height int, cdn string) []Rendition {
	widths := Widths()
	rs := make([]Rendition, 0, len(widths))
	for i := len(widths) - 1; i >= 0; i-- {
		w, h := fit(width, height, widths[i])
		rs = append(rs, Rendition{Width: w, Height: h, URL: strings.TrimSuffix(cdn, "/") + "/" + RenditionKey(key, widths[i])})
	}
	return rs
}

// RenditionKey is the object of one rendition in the bucket that the CDN reads.
// Nothing else enters it, so that a task done twice writes the same object.
func RenditionKey(key string, width int) string { return fmt.Sprintf("%s/%d.jpg", key, width) }

// fit is the size of a photo of width by height in the rendition of nominal
// width: never larger than the photo, never less than a pixel high.
func fit(width, height, nominal int) (w, h int) {
	if width <= nominal {
		return width, height
	}
	return nominal, max(1, (height*nominal+width/2)/width)
}
