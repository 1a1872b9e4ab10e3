package main

import (
	"context"
	"net/http"

	"github.com/burbn/burbn/services/id"
	"github.com/burbn/burbn/services/store"
)

const maxNote = 1000 // characters

var selfReport = problem{Status: http.StatusBadRequest, Code: "cannot_report_yourself", Field: "id", Detail: "Nobody reports what is their own."}

func (a *api) reportRoutes(d *document) {
	add(d, operation{method: post, path: "/v1/reports", id: "report", summary: "Report a user, a photo or a comment to the moderators",
		who: signedIn, status: 204, problems: []problem{notFound("user"), notFound("media"), notFound("comment"), selfReport}}, a.report)
}

type reportIn struct {
	Body struct {
		Subject string `json:"subject" enum:"user,media,comment"`
		ID      idText `json:"id" doc:"Of the user, the photo or the comment."`
		Media   idText `json:"media,omitempty" doc:"With a comment: the photo that it is on."`
		Reason  string `json:"reason" enum:"spam,nudity,violence,hate,harassment,self_harm,impersonation,intellectual_property,other"`
		Note    string `json:"note,omitempty" maxLength:"1000" doc:"For the moderators."`
	}
}

// report keeps one report of each subject by each user: another changes nothing.
func (a *api) report(ctx context.Context, in *reportIn) (*nothing, error) {
	if err := text("note", in.Body.Note, 0, maxNote); err != nil {
		return nil, err
	}
	r := store.Report{
		Subject:  store.Subject{Kind: in.Body.Subject, ID: in.Body.ID.ID(), Media: in.Body.Media.ID()},
		Reporter: viewer(ctx), Reason: in.Body.Reason, Note: in.Body.Note,
	}
	var err error
	if r.User, err = a.reported(ctx, r.Subject); err != nil {
		return nil, err
	}
	if r.User == r.Reporter {
		return nil, selfReport
	}
	_, err = a.store.Report(ctx, r)
	return nil, err
}

// reported is whose a subject is, if who asks may see it.
func (a *api) reported(ctx context.Context, s store.Subject) (id.ID, error) {
	switch s.Kind {
	case "user":
		_, u, err := a.known(ctx, s.ID)
		return u.ID, err
	case "media":
		m, _, err := a.seen(ctx, s.ID)
		return m.User, err
	}
	if _, _, err := a.seen(ctx, s.Media); err != nil {
		return 0, err
	}
	cs, err := a.store.CommentsMany(ctx, map[id.ID]id.ID{s.ID: s.Media})
	if c, ok := cs[s.ID]; err != nil || ok {
		return c.User, err
	}
	return 0, notFound("comment")
}
