package fleet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nameward/nameward/hack/demo/scene"
)

// Doors are the TCP servers behind all fresh names. They are the witness that
// no client can deceive: whoever came through a door is a leak if the door's
// name was another's.
type Doors struct {
	listener net.Listener
	asker    map[netip.Addr]int // index by pod address; others are no askers

	owners, open atomic.Int64
	mu           sync.Mutex
	leaks        []string
	total        int
}

// openDoors listens on every address that the network namespace owns.
func openDoors(n *scene.Netspace, asker map[netip.Addr]int) (*Doors, error) {
	listener, err := n.Listen("tcp", fmt.Sprintf(":%d", doorPort))
	if err != nil {
		return nil, fmt.Errorf("listen for connections outside: %w", err)
	}
	d := &Doors{listener: listener, asker: asker}
	go d.serve()
	return d, nil
}

func (d *Doors) serve() {
	for {
		c, err := d.listener.Accept()
		if err != nil {
			return // closed
		}
		d.note(address(c.RemoteAddr()), address(c.LocalAddr()))
		d.open.Add(1)
		go d.hold(c)
	}
}

// hold keeps the connection until the client ends it: who is reset before he
// has noticed that he is connected cannot tell this from being refused.
func (d *Doors) hold(c net.Conn) {
	defer d.open.Add(-1)
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, _ = c.Read(make([]byte, 1))
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // whose end was cut off is not told again and again
	}
}

// AwaitIdle returns once no connection is open any more.
func (d *Doors) AwaitIdle(ctx context.Context) error {
	for d.open.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func address(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// listedLeaks is how many are kept to be shown.
const listedLeaks = 5

func (d *Doors) note(from, to netip.Addr) {
	number, fresh := numberAt(to)
	asker, known := d.asker[from]
	if fresh && known && asker == Owner(number) {
		d.owners.Add(1)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total++
	if len(d.leaks) < listedLeaks {
		d.leaks = append(d.leaks, fmt.Sprintf("%s → %s", from, to))
	}
}

// Passed is how many connections came so far to the doors of their own names,
// and how many to others, with some of those.
func (d *Doors) Passed() (owners, strangers int, some []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int(d.owners.Load()), d.total, d.leaks
}

// Await returns the number that have come to their own doors once there are so
// many, or a second later: a connection is open before its server hears of it.
func (d *Doors) Await(owners int) int {
	got := 0
	await(func() bool { got, _, _ = d.Passed(); return got >= owners })
	return got
}

// AwaitStrangers does the same for the others.
func (d *Doors) AwaitStrangers(strangers int) int {
	got := 0
	await(func() bool { _, got, _ = d.Passed(); return got >= strangers })
	return got
}

func await(done func() bool) {
	for deadline := time.Now().Add(time.Second); !done() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}
