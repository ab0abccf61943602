package sctp

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// SCTPConn is one association.
type SCTPConn struct {
	mu            sync.Mutex
	send          func([]byte) error
	lport, rport  int
	peerTag       uint32
	tsn, cumPeer  uint32
	ssn           uint16
	in            chan []byte
	est, done     chan struct{}
	estO, doneO   sync.Once
	acked         chan uint32
	abort         error
	onClose       func()
	local, remote *SCTPAddr
	linger        bool
}

func newConn(send func([]byte) error, lport, rport int) *SCTPConn {
	return &SCTPConn{send: send, lport: lport, rport: rport, tsn: u32(), in: make(chan []byte, 64), est: make(chan struct{}), done: make(chan struct{}), acked: make(chan uint32, 64), onClose: func() {}}
}
func (c *SCTPConn) out(chunks ...[]byte) error {
	return c.send(packet(c.lport, c.rport, c.peerTag, chunks...))
}

// handle DATA, SACK, ABORT, SHUTDOWN of an established association.
func (c *SCTPConn) handle(ch []byte) {
	switch ch[0] {
	case cDATA:
		if len(ch) < 16 {
			return
		}
		t := binary.BigEndian.Uint32(ch[4:])
		if t == c.cumPeer+1 {
			select {
			case c.in <- append([]byte(nil), ch[16:]...):
				c.cumPeer = t
			default:
			}
		}
		c.out(chunk(cSACK, 0, sackBody(c.cumPeer)))
	case cSACK:
		if len(ch) >= 8 {
			select {
			case c.acked <- binary.BigEndian.Uint32(ch[4:]):
			default:
			}
		}
	case cABORT, cSHUTDOWN:
		c.doneO.Do(func() { close(c.done); c.onClose() })
	}
}

func (c *SCTPConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tsn
	c.tsn++
	d := chunk(cDATA, 3, dataBody(t, c.ssn, b))
	c.ssn++
	for i := 0; i < 5; i++ {
		if err := c.out(d); err != nil {
			return 0, err
		}
		tm := time.After(time.Second)
	wait:
		for {
			select {
			case a := <-c.acked:
				if int32(a-t) >= 0 {
					return len(b), nil
				}
			case <-c.done:
				return 0, io.EOF
			case <-tm:
				break wait
			}
		}
	}
	return 0, errors.New("sctp: write timed out")
}

func (c *SCTPConn) Read(b []byte) (int, error) {
	select {
	case d := <-c.in:
		return copy(b, d), nil
	default:
	}
	select {
	case d := <-c.in:
		return copy(b, d), nil
	case <-c.done:
		select {
		case d := <-c.in:
			return copy(b, d), nil
		default:
		}
		return 0, io.EOF
	}
}

func (c *SCTPConn) Close() error {
	if c.linger { // server side: still acknowledge what the client sends right after the handshake
		c.linger = false
		time.AfterFunc(time.Second, func() { c.Close() })
		return nil
	}
	c.doneO.Do(func() { c.out(chunk(cABORT, 0, nil)); close(c.done); c.onClose() })
	return nil
}
func (c *SCTPConn) LocalAddr() net.Addr              { return c.local }
func (c *SCTPConn) RemoteAddr() net.Addr             { return c.remote }
func (c *SCTPConn) SetDeadline(time.Time) error      { return nil }
func (c *SCTPConn) SetReadDeadline(time.Time) error  { return nil }
func (c *SCTPConn) SetWriteDeadline(time.Time) error { return nil }

// SCTPRemoteAddr returns the peer's address.
func (c *SCTPConn) SCTPRemoteAddr(int) (*SCTPAddr, error) { return c.remote, nil }
