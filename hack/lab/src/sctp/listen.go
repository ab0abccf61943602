package sctp

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
)

// SCTPListener serves one port on one or both IP families.
type SCTPListener struct {
	port   int
	addr   *SCTPAddr
	socks  []*net.IPConn
	accept chan *SCTPConn
	mu     sync.Mutex
	conns  map[string]*SCTPConn
	closed chan struct{}
	once   sync.Once
}

func ListenSCTP(network string, laddr *SCTPAddr) (*SCTPListener, error) {
	return ListenSCTPExt(network, laddr, InitMsg{})
}

func ListenSCTPExt(network string, laddr *SCTPAddr, _ InitMsg) (*SCTPListener, error) {
	l := &SCTPListener{port: laddr.Port, addr: laddr, accept: make(chan *SCTPConn, 64), conns: map[string]*SCTPConn{}, closed: make(chan struct{})}
	ips := laddr.IPAddrs
	if len(ips) == 0 || ips[0].IP.IsUnspecified() {
		ips = []net.IPAddr{{IP: net.IPv4zero}, {IP: net.IPv6zero}}
	}
	var err error
	for i := range ips {
		s, e := net.ListenIP(proto(ips[i].IP), &ips[i])
		if e != nil {
			err = e
			continue
		}
		l.socks = append(l.socks, s)
		go l.serve(s)
	}
	if len(l.socks) == 0 {
		return nil, err
	}
	return l, nil
}

func (l *SCTPListener) serve(s *net.IPConn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := s.ReadFromIP(buf)
		if err != nil {
			return
		}
		r, ok := parse(buf[:n])
		if !ok || r.dport != l.port {
			continue
		}
		for _, ch := range r.chunks {
			switch ch[0] {
			case cINIT: // the cookie carries peer tag, both TSNs and our tag: stateless until COOKIE-ECHO
				if len(ch) < 20 {
					continue
				}
				peerTag, peerTSN := binary.BigEndian.Uint32(ch[4:]), binary.BigEndian.Uint32(ch[16:])
				myTag, myTSN := u32(), u32()
				ck := make([]byte, 20)
				binary.BigEndian.PutUint16(ck, 7)
				binary.BigEndian.PutUint16(ck[2:], 20)
				for i, v := range []uint32{peerTag, peerTSN, myTag, myTSN} {
					binary.BigEndian.PutUint32(ck[4+4*i:], v)
				}
				s.WriteToIP(packet(l.port, r.sport, peerTag, chunk(cINITACK, 0, append(initBody(myTag, myTSN), ck...))), from)
			case cCOOKIEECHO:
				if len(ch) < 20 {
					continue
				}
				f := func(i int) uint32 { return binary.BigEndian.Uint32(ch[4+4*i:]) }
				if f(2) != r.tag {
					continue
				}
				key := fmt.Sprintf("%s/%d/%d", from, r.sport, r.tag)
				l.mu.Lock()
				c := l.conns[key]
				if c == nil {
					to := *from
					c = newConn(func(p []byte) error { _, err := s.WriteToIP(p, &to); return err }, l.port, r.sport)
					c.peerTag, c.cumPeer, c.tsn, c.linger = f(0), f(1)-1, f(3), true
					c.local, c.remote = l.addr, &SCTPAddr{IPAddrs: []net.IPAddr{to}, Port: r.sport}
					c.onClose = func() { l.mu.Lock(); delete(l.conns, key); l.mu.Unlock() }
					l.conns[key] = c
					l.mu.Unlock()
					c.out(chunk(cCOOKIEACK, 0, nil))
					select {
					case l.accept <- c:
					default:
					}
				} else {
					l.mu.Unlock()
					c.out(chunk(cCOOKIEACK, 0, nil))
				}
			default:
				key := fmt.Sprintf("%s/%d/%d", from, r.sport, r.tag)
				l.mu.Lock()
				c := l.conns[key]
				l.mu.Unlock()
				if c != nil {
					c.handle(ch)
				}
			}
		}
	}
}

func (l *SCTPListener) AcceptSCTP() (*SCTPConn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *SCTPListener) Accept() (net.Conn, error) { return l.AcceptSCTP() }
func (l *SCTPListener) Addr() net.Addr            { return l.addr }
func (l *SCTPListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		for _, s := range l.socks {
			s.Close()
		}
	})
	return nil
}
