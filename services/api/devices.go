package main

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/burbn/burbn/services/session"
)

// deviceToken is what Apple gives an app: hexadecimal, of no promised length.
var deviceToken = regexp.MustCompile(`^([0-9a-fA-F]{2}){32,100}$`)

func readDevice(token string) (string, error) {
	if !deviceToken.MatchString(token) {
		return "", invalid("token", "accepted is a device token of APNs: 64 to 200 hexadecimal digits")
	}
	return strings.ToLower(token), nil
}

func (a *api) registerDevice(c *gin.Context, who session.Token) error {
	var in struct {
		Token string `json:"token"`
	}
	if err := readBody(c, &in); err != nil {
		return err
	}
	token, err := readDevice(in.Token)
	if err != nil {
		return err
	}
	if err := a.store.RegisterDevice(c.Request.Context(), who.User, token); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (a *api) forgetDevice(c *gin.Context, who session.Token) error {
	token, err := readDevice(c.Param("token"))
	if err != nil {
		return err
	}
	if err := a.store.ForgetDevice(c.Request.Context(), who.User, token); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
