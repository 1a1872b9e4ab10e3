package storetest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/burbn/burbn/services/processtest"
)

// CountTrips proxies connections to a PostgreSQL address and adds to n the messages that
// await an answer.
func CountTrips(t testing.TB, to string, n *atomic.Int64) (addr string) {
	t.Helper()
	return Intercept(t, to, func() Fate { n.Add(1); return Passed })
}

// Fate is what becomes of a message that awaits an answer.
type Fate int

const (
	Passed     Fate = iota
	Lost            // it does not arrive, and the connection ends
	Unanswered      // the connection ends once it has arrived
)

// Intercept proxies connections to a PostgreSQL address and asks what becomes of each
// message that awaits an answer. Those by which a pool looks whether a connection that
// rested is alive pass: how many there are depends on the clock.
func Intercept(t testing.TB, to string, decide func() Fate) (addr string) {
	t.Helper()
	return processtest.Proxy(t, to, func(server io.Writer, client net.Conn) { forward(server, client, decide) })
}

// forward sends on what a client says, until it ends or the connection is to.
func forward(server io.Writer, client net.Conn, decide func() Fate) {
	in := bufio.NewReader(client)
	for head := 4; ; head = 5 { // a size, which but for the first message has a kind before it
		b, err := in.Peek(head)
		if err != nil {
			return
		}
		kind := b[0]
		message := make([]byte, head-4+int(binary.BigEndian.Uint32(b[head-4:])))
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		end := Passed
		if sync := kind == 'S'; head == 5 && (sync || kind == 'Q' && !bytes.HasPrefix(message[head:], []byte("-- ping\x00"))) {
			end = decide()
		}
		if end != Passed {
			client.Close()
		}
		if end == Lost {
			return
		}
		if _, err := server.Write(message); err != nil || end == Unanswered {
			return
		}
	}
}
