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
	e.NoRoute(a.handle(noRoute))
	e.NoMethod(a.handle(noMethod))

	e.GET("/healthz", a.handle(healthz))

	v1 := e.Group("/v1")
	v1.POST("/users", a.handle(a.signUp))
	v1.POST("/sessions", a.handle(a.logIn))
	v1.DELETE("/sessions/current", a.signedIn(a.logOut))

	v1.GET("/users/:id", a.signedIn(a.getUser))
	v1.GET("/users/by-name/:name", a.signedIn(a.getUserByName))
	v1.GET("/users/:id/media", a.signedIn(a.listMedia))
	v1.PUT("/users/:id/follow", a.signedIn(a.follow))
	v1.DELETE("/users/:id/follow", a.signedIn(a.unfollow))

	v1.POST("/uploads", a.signedIn(a.createUpload))
	v1.POST("/media", a.signedIn(a.publish))
	v1.GET("/media/:id", a.signedIn(a.getMedia))

	// These check the session themselves, by the round trip to Redis that they make
	// anyway.
	v1.PUT("/media/:id/like", a.verified(a.like))
	v1.DELETE("/media/:id/like", a.verified(a.unlike))
	v1.GET("/feed", a.verified(a.getFeed))

	v1.POST("/devices", a.signedIn(a.registerDevice))
	v1.DELETE("/devices/:token", a.signedIn(a.forgetDevice))
	return e
}

// healthz is for the proxies: the process serves. What it can do is on the admin
// server's /readyz.
func healthz(c *gin.Context) error {
	c.String(http.StatusOK, "ok\n")
	return nil
}
