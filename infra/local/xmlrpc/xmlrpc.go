// Package xmlrpc calls supervisord over its unix socket.
//
// It speaks as much of XML-RPC as supervisord does: strings, ints and bools in;
// strings, ints, structs and arrays out. github.com/kolo/xmlrpc was looked at: it
// makes calls one at a time and knows no context.
package xmlrpc

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// connections are kept for as long as the process lives. When one closes while
// supervisord 4.2 opens the log of a program it is starting, the log can take over the
// number of the closed socket, which supervisord then polls for ever: a file is always
// readable, and a core is busy until the program is stopped.
// https://github.com/Supervisor/supervisor/issues/807
var connections = &http.Transport{
	MaxIdleConnsPerHost: 1000,
	DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		socket, err := hex.DecodeString(host)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, "unix", string(socket))
	},
}

// Call makes one call over a unix socket. Arguments are strings, ints and bools. A
// fault of the other side is a *Fault.
func Call(ctx context.Context, socket, method string, args ...any) (Value, error) {
	var body bytes.Buffer
	body.WriteString(xml.Header + "<methodCall><methodName>" + method + "</methodName><params>")
	for _, arg := range args {
		body.WriteString("<param><value>")
		switch arg := arg.(type) {
		case string:
			body.WriteString("<string>")
			if err := xml.EscapeText(&body, []byte(arg)); err != nil {
				return Value{}, fmt.Errorf("encode an argument of %s: %w", method, err)
			}
			body.WriteString("</string>")
		case int:
			fmt.Fprintf(&body, "<int>%d</int>", arg)
		case bool:
			fmt.Fprintf(&body, "<boolean>%b</boolean>", map[bool]int{true: 1}[arg])
		default:
			return Value{}, fmt.Errorf("encode an argument of %s: %T is not string, int or bool", method, arg)
		}
		body.WriteString("</value></param>")
	}
	body.WriteString("</params></methodCall>")

	// The host is the socket, in a form that a URL accepts.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+hex.EncodeToString([]byte(socket))+"/RPC2", &body)
	if err != nil {
		return Value{}, fmt.Errorf("call %s: %w", method, err)
	}
	req.Header.Set("Content-Type", "text/xml")
	resp, err := connections.RoundTrip(req)
	if err != nil {
		return Value{}, fmt.Errorf("call %s: %w", method, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Value{}, fmt.Errorf("call %s: %s", method, resp.Status)
	}
	var answer struct {
		Value Value  `xml:"params>param>value"`
		Fault *Value `xml:"fault>value"`
	}
	if err := xml.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return Value{}, fmt.Errorf("read the answer to %s: %w", method, err)
	}
	// What is left unread would cost the connection.
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return Value{}, fmt.Errorf("read the answer to %s: %w", method, err)
	}
	if answer.Fault != nil {
		return Value{}, &Fault{method, answer.Fault.Field("faultCode").Number(), answer.Fault.Field("faultString").String}
	}
	return answer.Value, nil
}

// Fault is an error that the other side of a call answers.
type Fault struct {
	Method string
	Code   int
	Reason string
}

func (f *Fault) Error() string { return fmt.Sprintf("call %s: %s (%d)", f.Method, f.Reason, f.Code) }

// Value is what a call answers: one of its fields says it.
type Value struct {
	String  string  `xml:"string"`
	Int     string  `xml:"int"`
	Array   []Value `xml:"array>data>value"`
	Members []struct {
		Name  string `xml:"name"`
		Value Value  `xml:"value"`
	} `xml:"struct>member"`
}

// Number is an int; 0 if the value is none.
func (v Value) Number() int {
	n, err := strconv.Atoi(v.Int)
	if err != nil {
		return 0
	}
	return n
}

// Field is a member of a struct; empty if there is none of that name.
func (v Value) Field(name string) Value {
	for _, m := range v.Members {
		if m.Name == name {
			return m.Value
		}
	}
	return Value{}
}
