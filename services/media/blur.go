package media

import "github.com/bbrks/go-blurhash"

// blurSide is the longer side of the picture that is blurred: the waves of four by three
// components do not see more, and their cost goes with the pixels.
const blurSide = 32

// blur is the BlurHash of a picture, 28 characters from which clients draw what stands in
// its place while it loads. See https://blurha.sh.
func blur(f frame) (string, error) {
	w, h := f.y.w, f.y.h
	if longer := max(w, h); longer > blurSide {
		w, h = max(1, w*blurSide/longer), max(1, h*blurSide/longer)
	}
	return blurhash.Encode(4, 3, f.resize(w, h).image())
}
