package sctp

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"
)

func proto(ip net.IP) string {
	if ip.To4() != nil {
		return "ip4:132"
	}
	return "ip6:132"
}

// DialSCTP opens an association; it retransmits INIT every second until it is set up (callers bound the time).
func DialSCTP(network string, laddr, raddr *SCTPAddr) (*SCTPConn, error) {
	if len(raddr.IPAddrs) == 0 {
		return nil, errors.New("sctp: no address")
	}
	rip := raddr.IPAddrs[0]
	raw, err := net.DialIP(proto(rip.IP), nil, &rip)
	if err != nil {
		return nil, err
	}
	lport := 32768 + int(u32()%28000)
	if laddr != nil && laddr.Port != 0 {
		lport = laddr.Port
	}
	c := newConn(func(p []byte) error { _, err := raw.Write(p); return err }, lport, raddr.Port)
	c.onClose = func() { raw.Close() }
	c.remote, c.local = raddr, &SCTPAddr{IPAddrs: []net.IPAddr{{IP: raw.LocalAddr().(*net.IPAddr).IP}}, Port: lport}
	myTag := u32()
	var cookie []byte
	fail := make(chan error, 1)
	gotAck := make(chan struct{})
	var once sync.Once
	go func() {
		buf := make([]byte, 65536)
		for {
			n, _, err := raw.ReadFrom(buf) // header stripped
			if err != nil {
				select {
				case <-c.done:
				case fail <- err:
				default:
				}
				return
			}
			r, ok := parse(buf[:n])
			if !ok || r.dport != lport || r.sport != raddr.Port || r.tag != myTag {
				continue
			}
			for _, ch := range r.chunks {
				switch ch[0] {
				case cINITACK:
					if len(ch) < 20 {
						continue
					}
					once.Do(func() {
						c.peerTag = binary.BigEndian.Uint32(ch[4:])
						c.cumPeer = binary.BigEndian.Uint32(ch[16:]) - 1
						for q := ch[20:]; len(q) >= 4; {
							n := int(binary.BigEndian.Uint16(q[2:]))
							if n < 4 || n > len(q) {
								break
							}
							if binary.BigEndian.Uint16(q) == 7 {
								cookie = append([]byte(nil), q[4:n]...)
							}
							if n = (n + 3) &^ 3; n > len(q) {
								break
							}
							q = q[n:]
						}
						close(gotAck)
					})
				case cCOOKIEACK:
					c.estO.Do(func() { close(c.est) })
				case cABORT:
					select {
					case <-c.est:
						c.handle(ch)
					default:
						select {
						case fail <- errors.New("connection refused"):
						default:
						}
					}
				default:
					c.handle(ch)
				}
			}
		}
	}()
	init := packet(lport, raddr.Port, 0, chunk(cINIT, 0, initBody(myTag, c.tsn)))
	for {
		select {
		case <-gotAck:
			c.out(chunk(cCOOKIEECHO, 0, cookie))
		default:
			raw.Write(init)
		}
		tick := time.After(time.Second)
		for again := true; again; {
			select {
			case <-c.est:
				return c, nil
			case err := <-fail:
				raw.Close()
				return nil, err
			case <-gotAck:
				c.out(chunk(cCOOKIEECHO, 0, cookie))
				select {
				case <-c.est:
					return c, nil
				case <-tick:
					again = false
				}
			case <-tick:
				again = false
			}
		}
	}
}
