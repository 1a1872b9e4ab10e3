// Package rendition says in which sizes a photo can be fetched, and where: whoever shows
// photos needs that, and whoever makes them. It knows no storage.
package rendition

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
func Widths() []int { return []int{1080, 640, 320, 150} }

// Of are the renditions of a ready photo of width by height pixels, narrowest
// first, at the CDN whose URL begins with cdn.
func Of(key string, width, height int, cdn string) []Rendition {
	widths := Widths()
	rs := make([]Rendition, 0, len(widths))
	for i := len(widths) - 1; i >= 0; i-- {
		w, h := Fit(width, height, widths[i])
		rs = append(rs, Rendition{Width: w, Height: h, URL: URL(cdn, Key(key, widths[i]))})
	}
	return rs
}

// Key is the object of one rendition in the bucket that the CDN reads.
// Nothing else enters it, so that a task done twice writes the same object.
func Key(key string, width int) string { return fmt.Sprintf("%s/%d.jpg", key, width) }

// Keys are the objects of all renditions of a photo.
func Keys(key string) []string {
	var keys []string
	for _, width := range Widths() {
		keys = append(keys, Key(key, width))
	}
	return keys
}

// AvatarWidths are the widths, and heights, of the renditions of an avatar.
func AvatarWidths() []int { return []int{320, 150} }

// AvatarURL is where the CDN has the avatar of that key.
func AvatarURL(cdn, key string) string {
	return URL(cdn, Key(key, 150))
}

// URL is where the CDN has the object of a rendition.
func URL(cdn, object string) string { return strings.TrimSuffix(cdn, "/") + "/" + object }

// Fit is the size of a photo of width by height in the rendition of nominal
// width: never larger than the photo, never less than a pixel high.
func Fit(width, height, nominal int) (w, h int) {
	if width <= nominal {
		return width, height
	}
	return nominal, max(1, (height*nominal+width/2)/width)
}
