package main

import (
	"context"
	"errors"
	"time"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

// downloadLife is how long the URL of an export is good for; asking again gives another.
const downloadLife = 15 * time.Minute

func (a *api) leavingRoutes(d *document) {
	noExport := notFound("export")
	add(d, operation{method: post, path: "/v1/me/deletion", id: "deleteMe", summary: "Delete your account, and everything of yours",
		who: signedIn, status: 202, problems: []problem{wrongPassword}}, a.deleteMe)
	add(d, operation{method: post, path: "/v1/me/exports", id: "startExport", summary: "Have a file made of everything that is yours",
		who: signedIn, status: 202}, a.startExport)
	add(d, operation{method: get, path: "/v1/me/exports", id: "listExports", summary: "Your exports",
		who: signedIn, status: 200}, a.listExports)
	add(d, operation{method: get, path: "/v1/me/exports/{id}", id: "getExport", summary: "An export of yours",
		who: signedIn, status: 200, problems: []problem{noExport}}, a.getExport)
}

// deleteMe answers when nobody sees the account any more. What there is of it, tasks
// remove.
func (a *api) deleteMe(ctx context.Context, in *passwordIn) (*nothing, error) {
	user := viewer(ctx)
	if err := a.authenticate(ctx, user, in.Body.Password); err != nil {
		return nil, err
	}
	if err := a.store.BeginErasure(ctx, user); err != nil {
		return nil, err
	}
	a.users.Forget(user)
	return nil, a.sessions.EndAll(ctx, user, 0)
}

// Export is a ZIP file of everything that is one's own: lists as JSON, and every photo
// as it was uploaded.
type Export struct {
	ID         id.ID             `json:"id"`
	State      store.ExportState `json:"state" enum:"waiting,running,ready,failed"`
	Done       int               `json:"done" doc:"How many of your photos are in it already."`
	Total      int               `json:"total" doc:"How many there were when it began."`
	Size       int64             `json:"size,omitempty" doc:"In bytes; when ready."`
	URL        string            `json:"url,omitempty" format:"uri" doc:"Whoever has it may GET the file, for a quarter of an hour; when ready. Ask again for another. It takes Range requests."`
	CreatedAt  time.Time         `json:"createdAt"`
	FinishedAt *time.Time        `json:"finishedAt,omitempty" doc:"When ready or failed."`
	ExpiresAt  *time.Time        `json:"expiresAt,omitempty" doc:"When the file is removed; when ready."`
}

func (a *api) export(ctx context.Context, e store.Export) (Export, error) {
	out := Export{ID: e.ID, State: e.State, Done: e.Progress.Done, Total: max(e.Progress.Total, e.Progress.Done), CreatedAt: e.CreatedAt}
	if !e.FinishedAt.IsZero() {
		out.FinishedAt = &e.FinishedAt
	}
	if e.State != store.ExportReady || !now().Before(e.ExpiresAt()) {
		return out, nil
	}
	ends := e.ExpiresAt()
	out.Size, out.ExpiresAt = e.Size, &ends
	var err error
	out.URL, err = a.objects.PresignGet(ctx, e.Key(), "burbn-"+e.CreatedAt.Format(time.DateOnly)+".zip", min(downloadLife, time.Until(ends)))
	return out, err
}

// startExport answers the export that is under way, if there is one.
func (a *api) startExport(ctx context.Context, _ *nothing) (*body[Export], error) {
	e, err := a.store.BeginExport(ctx, viewer(ctx))
	if err != nil {
		return nil, err
	}
	out, err := a.export(ctx, e)
	return &body[Export]{out}, err
}

func (a *api) getExport(ctx context.Context, in *ByID) (*body[Export], error) {
	e, err := a.store.Export(ctx, viewer(ctx), in.ID.ID())
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("export")
	}
	if err != nil {
		return nil, err
	}
	out, err := a.export(ctx, e)
	return &body[Export]{out}, err
}

func (a *api) listExports(ctx context.Context, in *PageOf) (*listed[Export], error) {
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	es, err := a.store.Exports(ctx, viewer(ctx), before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	es, next := more(es, in.Limit, func(e store.Export) id.ID { return e.ID })
	out := make([]Export, len(es))
	for i, e := range es {
		if out[i], err = a.export(ctx, e); err != nil {
			return nil, err
		}
	}
	return page(ctx, out, next), nil
}
