package nameward

import "github.com/miekg/dns"

// capture keeps what the next plugin writes, so that it can be held.
type capture struct {
	dns.ResponseWriter
	nested nested // here to spare an allocation for each answer
	msg    *dns.Msg
	raw    []byte // the wire form, if that is what was written
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
	c.msg, c.raw = m, append([]byte(nil), b...)
	return len(b), nil
}

// deliver writes what was captured, in the form in which it came.
func (c *capture) deliver() error {
	if c.raw != nil {
		_, err := c.ResponseWriter.Write(c.raw)
		return err
	}
	return c.ResponseWriter.WriteMsg(c.msg)
}
