package nameward

import (
	"context"
	"sync"

	"github.com/miekg/dns"
)

// capture keeps what the next plugin writes, so that it can be held.
type capture struct {
	dns.ResponseWriter
	nested nested // here to spare an allocation for each answer
	msg    *dns.Msg
	raw    *[]byte // the wire form, if that is what was written
}

// WriteMsg implements the dns.ResponseWriter interface.
func (c *capture) WriteMsg(m *dns.Msg) error {
	c.msg, c.raw = m, nil
	return nil
}

// Write implements the dns.ResponseWriter interface. What is no DNS message
// passes through.
func (c *capture) Write(b []byte) (int, error) {
	m := new(dns.Msg)
	if m.Unpack(b) != nil {
		return c.ResponseWriter.Write(b)
	}
	raw := append([]byte(nil), b...)
	c.msg, c.raw = m, &raw
	return len(b), nil
}

// deliver writes what was captured, in the form in which it came.
func (c *capture) deliver() error {
	msg, raw := c.msg, c.raw
	c.msg, c.raw = nil, nil // see sheaf
	if raw != nil {
		_, err := c.ResponseWriter.Write(*raw)
		return err
	}
	return c.ResponseWriter.WriteMsg(msg)
}

// sheaf is the captures of some queries, made at once. None is used twice: the
// cache plugin, for one, keeps context and writer for a refresh in the
// background and looks at them long after the answer. A sheaf lives as long as
// any of its captures, so it is small.
type sheaf struct{ left []capture }

// perSheaf is the queries that share one allocation, of 1.5 KiB.
const perSheaf = 32

var sheaves = sync.Pool{New: func() any { return new(sheaf) }}

func newCapture(ctx context.Context, w dns.ResponseWriter) *capture {
	s := sheaves.Get().(*sheaf)
	if len(s.left) == 0 {
		s.left = make([]capture, perSheaf)
	}
	c := &s.left[0]
	s.left = s.left[1:]
	sheaves.Put(s)
	c.ResponseWriter, c.nested.Context = w, ctx
	return c
}
