package cache

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"time"
)

// link is one connection to a node, which many calls share: they are written one after
// another without waiting for answers, and what comes at once is written at once. That
// is most of what memcached costs, on both sides: system calls, not looking up.
type link struct {
	conn net.Conn
	node *node

	mu      sync.Mutex
	out     []byte  // to be written
	spare   []byte  // the buffer that is not out
	writing bool    // somebody is at it, and takes out along
	calls   []*call // whose answers are to come, in order
	err     error   // why it has ended
}

// call is a command and its answer.
type call struct {
	command []byte
	gets    bool     // the answer is values; otherwise it is one line
	keys    [][]byte // of the values
	at      []int    // where in entries the values of the keys belong
	entries []entry
	room    []byte // for values
	borrows bool   // room that is to be given back
	rooms   []*[]byte

	node  *node
	trial bool // whether the node is to be used again
	done  func(error)
}

func (c *call) finish(err error) {
	c.node.ended(c, err)
	c.done(err)
}

func newLink(conn net.Conn, n *node) *link {
	l := &link{conn: conn, node: n}
	go l.read()
	return l
}

func (l *link) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil
}

// send queues a call, and writes if nobody does.
func (l *link) send(c *call) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		c.finish(l.err)
		return
	}
	if len(l.calls) == 0 {
		// From here on an answer is due; each that comes puts it off for the next.
		l.conn.SetReadDeadline(time.Now().Add(l.node.timeout))
	}
	l.calls = append(l.calls, c)
	l.out = append(l.out, c.command...)
	idle := !l.writing
	l.writing = true
	l.mu.Unlock()
	if idle {
		runtime.Gosched() // whoever is about to send too goes along
		l.flush()
	}
}

// flush writes what is queued. Nobody writes for others for longer than that.
func (l *link) flush() {
	l.mu.Lock()
	out := l.out
	l.out, l.spare = l.spare[:0], nil
	l.mu.Unlock()
	l.conn.SetWriteDeadline(time.Now().Add(l.node.timeout))
	if _, err := l.conn.Write(out); err != nil {
		l.conn.Close() // read ends the link
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = out
	l.writing = len(l.out) > 0
	if l.writing {
		go l.flush()
	}
}

// end fails the calls that wait.
func (l *link) end(err error) {
	l.conn.Close()
	l.mu.Lock()
	calls := l.calls
	l.calls, l.err = nil, err
	l.mu.Unlock()
	for _, c := range calls {
		c.finish(err)
	}
}

// read gives each answer to its call until the connection ends. One that the node
// closes while no answer is due, as after a restart, is no failure of anybody.
func (l *link) read() {
	r := bufio.NewReaderSize(l.conn, 64<<10)
	for {
		if _, err := r.Peek(1); err != nil {
			l.end(fmt.Errorf("read from memcached: %w", err))
			return
		}
		l.mu.Lock()
		if len(l.calls) == 0 {
			l.mu.Unlock()
			l.end(fmt.Errorf("memcached said what nobody asked for"))
			return
		}
		c := l.calls[0]
		l.mu.Unlock()
		if err := c.read(r); err != nil {
			l.end(err) // and with it this call
			return
		}
		l.mu.Lock()
		l.calls = l.calls[1:]
		switch {
		case len(l.calls) == 0:
			l.calls = nil
			l.conn.SetReadDeadline(time.Time{})
		case r.Buffered() == 0:
			l.conn.SetReadDeadline(time.Now().Add(l.node.timeout))
		}
		l.mu.Unlock()
		c.finish(nil)
	}
}

// read reads the answer of one call. An error says that what follows cannot be made
// sense of.
func (c *call) read(r *bufio.Reader) error {
	next := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read from memcached: %w", err)
		}
		line = bytes.TrimSuffix(line, []byte("\r\n"))
		if !c.gets || string(line) == "END" {
			return nil // whether it took the value is its own affair
		}
		// VALUE <key> <flags> <bytes> <version>, of those keys that it has, in the order of the
		// call.
		rest, ok := bytes.CutPrefix(line, []byte("VALUE "))
		key, rest, _ := bytes.Cut(rest, []byte(" "))
		flags, rest, _ := bytes.Cut(rest, []byte(" "))
		size, version, _ := bytes.Cut(rest, []byte(" "))
		for next < len(c.keys) && !bytes.Equal(c.keys[next], key) {
			next++
		}
		n, sane := number(size)
		f, saneFlags := number(flags)
		v, saneVersion := number(version)
		if !ok || !sane || !saneFlags || !saneVersion || n > maxValue || next == len(c.keys) {
			return fmt.Errorf("memcached answers %q", line)
		}
		value := c.take(int(n)+2, r.Buffered()) // with the end of the line
		if _, err := io.ReadFull(r, value); err != nil {
			return fmt.Errorf("read from memcached: %w", err)
		}
		c.entries[c.at[next]] = entry{found, uint32(f), v, value[:n:n]}
		next++
	}
}

// take is n bytes of the call's room. The values that have come already, which are
// nearly that many bytes, share an allocation.
func (c *call) take(n, come int) []byte {
	if n > len(c.room) {
		c.room = c.newRoom(max(n, come))
	}
	b := c.room[:n:n]
	c.room = c.room[n:]
	return b
}

// rooms are what batches have given back.
var rooms = sync.Pool{New: func() any { r := make([]byte, roomSize); return &r }}

const roomSize = 32 << 10

func (c *call) newRoom(n int) []byte {
	if !c.borrows || n > roomSize {
		return make([]byte, n)
	}
	room := rooms.Get().(*[]byte)
	c.rooms = append(c.rooms, room)
	r := *room
	return r
}

func number(text []byte) (n uint64, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' || n > 1<<60 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, len(text) > 0
}

// maxValue is more than memcached keeps of one key.
const maxValue = 8 << 20
