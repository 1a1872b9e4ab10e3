package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// routes is the table of contents. Handlers return errors; problemOf says what a
// client is told of them.
func (a *api) routes() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	// The networks were checked when the settings were loaded.
	if err := e.SetTrustedProxies(a.doc.TrustedProxies); err != nil {
		panic(err)
	}
	e.Use(a.observe, a.recover)
	e.GET("/healthz", healthz) // under load, too
	e.Use(a.shed)
	e.NoRoute(a.noRoute)
	e.NoMethod(a.noMethod)

	d := newDocument(a, e)
	a.operations(d)
	a.publishDocument(d, e)
	return acrossOrigins(a.doc.Origins, withHead(e))
}

// operations adds all of them to d.
func (a *api) operations(d *document) {
	a.accountRoutes(d.tagged("Accounts", "Signing up, logging in, and what is one's own."))
	a.leavingRoutes(d.tagged("Leaving", "Taking along everything that is one's own, and having it erased."))
	a.graphRoutes(d.tagged("People", "Other accounts, and how one stands to them."))
	a.mediaRoutes(d.tagged("Photos", "Uploading, publishing, editing, deleting, saving and sharing."))
	a.talkRoutes(d.tagged("Talk", "Likes, comments and what others did."))
	find := d.tagged("Find", "The feed, and other ways to photos and people.")
	a.findRoutes(find)
	a.discoveryRoutes(find)
	a.pushRoutes(d.tagged("Push", "The phones that ring, and for what. "+
		"A push says its kind, and the actor, media and comment that it is about; its loc-key is the kind in capitals, with _TWO for two people, "+
		"_MANY for one and a number of others, and COMMENT_TEXT with the beginning of a comment. The badge is that of GET /v1/activity/unread."))
	a.reportRoutes(d.tagged("Reports", "Telling the moderators what is wrong."))
}

// withHead answers HEAD as GET: the server itself leaves the body out.
func withHead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			as := *r
			as.Method = get
			r = &as
		}
		next.ServeHTTP(w, r)
	})
}

// healthz is for the proxies: the process serves. What it can do is on the admin
// server's /readyz.
func healthz(c *gin.Context) { c.String(http.StatusOK, "ok\n") }
