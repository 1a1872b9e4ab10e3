package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

func (a *api) discoveryRoutes(d *document) {
	add(d, operation{method: get, path: "/v1/explore", id: "explore", summary: "Popular photos now",
		who: signedIn, status: 200}, a.explore)
	add(d, operation{method: get, path: "/v1/tags/{tag}", id: "getTag", summary: "A tag",
		who: signedIn, status: 200}, a.getTag)
	add(d, operation{method: get, path: "/v1/tags/{tag}/media", id: "listTagMedia", summary: "Photos of a tag, newest first",
		who: signedIn, status: 200}, a.listTagMedia)
	add(d, operation{method: get, path: "/v1/media/near", id: "listMediaNear", summary: "Photos taken near a point, newest first",
		who: signedIn, status: 200}, a.listMediaNear)
	add(d, operation{method: get, path: "/v1/search/tags", id: "searchTags", summary: "Tags that begin so, that very one first, then those with the most photos",
		who: signedIn, status: 200}, a.searchTags)
	add(d, operation{method: get, path: "/v1/search/users", id: "searchUsers",
		summary: "People whose name, or a word of whose full name, begins so: who has that name first, then roughly by followers",
		who:     signedIn, status: 200}, a.searchUsers)
}

// discovered are those of the photos that may be shown to who asks without their having
// asked for the author: of authors who are public and not muted, and wanted by what is so
// by now, where the list may be of a while ago.
func (a *api) discovered(ctx context.Context, ids []id.ID, wanted func(Photo) bool) ([]Photo, error) {
	v, err := a.viewer(ctx)
	if err != nil {
		return nil, err
	}
	photos, err := a.photos(ctx, v, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(photos, func(p Photo) bool {
		return p.State != store.Ready || p.Hidden || p.Author.Private || v.Mutes(p.Author.ID) || !wanted(p)
	}), nil
}

// explore answers a page of a snapshot of what is popular: its cursor names the snapshot and
// the place in it, and goes on in the newest one once that is gone.
func (a *api) explore(ctx context.Context, in *PageOf) (*listed[Photo], error) {
	snapshot, from, err := in.place()
	if err != nil {
		return nil, err
	}
	s, err := a.popular.Snapshot(ctx, snapshot)
	if err != nil {
		return nil, err
	}
	from = min(from, len(s.IDs))
	to := min(from+in.Limit, len(s.IDs))
	who := viewer(ctx)
	photos, err := a.discovered(ctx, s.IDs[from:to], func(p Photo) bool { return p.Author.ID != who })
	if err != nil {
		return nil, err
	}
	next := ""
	if to < len(s.IDs) {
		next = strconv.FormatInt(s.Number, 36) + "." + strconv.Itoa(to)
	}
	return page(ctx, photos, next), nil
}

// place is the cursor of a list of which there are snapshots: the number of one and a place
// in it; 0 and 0 at the beginning of the newest.
func (p PageOf) place() (snapshot int64, from int, err error) {
	if p.Cursor == "" {
		return 0, 0, nil
	}
	number, place, _ := strings.Cut(p.Cursor, ".")
	snapshot, err = strconv.ParseInt(number, 36, 64)
	if err == nil {
		from, err = strconv.Atoi(place)
	}
	if err != nil || snapshot <= 0 || from < 0 {
		return 0, 0, invalid("cursor", "accepted is the cursor of the page before")
	}
	return snapshot, from, nil
}
