package provider

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"strconv"
)

// call makes one XML-RPC call over a unix socket. Arguments are strings, ints and
// bools. A fault of the other side is a *fault.
func call(ctx context.Context, socket, method string, args ...any) (value, error) {
	var body bytes.Buffer
	body.WriteString(xml.Header + "<methodCall><methodName>" + method + "</methodName><params>")
	for _, arg := range args {
		body.WriteString("<param><value>")
		switch arg := arg.(type) {
		case string:
			body.WriteString("<string>")
			if err := xml.EscapeText(&body, []byte(arg)); err != nil {
				return value{}, fmt.Errorf("encode an argument of %s: %w", method, err)
			}
			body.WriteString("</string>")
		case int:
			fmt.Fprintf(&body, "<int>%d</int>", arg)
		case bool:
			fmt.Fprintf(&body, "<boolean>%b</boolean>", map[bool]int{true: 1}[arg])
		default:
			return value{}, fmt.Errorf("encode an argument of %s: %T is not string, int or bool", method, arg)
		}
		body.WriteString("</value></param>")
	}
	body.WriteString("</params></methodCall>")

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://supervisord/RPC2", &body)
	if err != nil {
		return value{}, fmt.Errorf("call %s: %w", method, err)
	}
	req.Header.Set("Content-Type", "text/xml")
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	resp, err := client.Do(req)
	if err != nil {
		return value{}, fmt.Errorf("call %s: %w", method, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return value{}, fmt.Errorf("call %s: %s", method, resp.Status)
	}
	var answer struct {
		Value value  `xml:"params>param>value"`
		Fault *value `xml:"fault>value"`
	}
	if err := xml.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return value{}, fmt.Errorf("read the answer to %s: %w", method, err)
	}
	if answer.Fault != nil {
		return value{}, &fault{method, answer.Fault.field("faultCode").number(), answer.Fault.field("faultString").text()}
	}
	return answer.Value, nil
}

// fault is an error that the other side of a call answers.
type fault struct {
	method string
	code   int
	reason string
}

func (f *fault) Error() string { return fmt.Sprintf("call %s: %s (%d)", f.method, f.reason, f.code) }

// value is what a call answers; supervisord's are strings, ints and structs of them.
type value struct {
	String  string `xml:"string"`
	Int     string `xml:"int"`
	Members []struct {
		Name  string `xml:"name"`
		Value value  `xml:"value"`
	} `xml:"struct>member"`
}

func (v value) text() string { return v.String }

func (v value) number() int {
	n, err := strconv.Atoi(v.Int)
	if err != nil {
		return 0
	}
	return n
}

func (v value) field(name string) value {
	for _, m := range v.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return value{}
}
