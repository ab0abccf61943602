package nameward

import (
	"io"
	"net"
	"sync"
	"testing"
)

// wire is a way to the plugin's socket that can be cut.
type wire struct {
	t      *testing.T
	to     string
	target string

	mu    sync.Mutex
	down  bool       // guarded by mu
	conns []net.Conn // guarded by mu
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	path := t.TempDir() + "/wire.sock"
	socket, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, to: to, target: "unix://" + path}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := socket.Accept()
			if err != nil {
				return
			}
			all.Go(func() { w.join(near) })
		}
	})
	t.Cleanup(func() { socket.Close(); w.cut(true); all.Wait() })
	return w
}

// join carries bytes both ways until either side ends.
func (w *wire) join(near net.Conn) {
	defer near.Close()
	w.mu.Lock()
	if w.down {
		w.mu.Unlock()
		return
	}
	far, err := net.Dial("unix", w.to)
	if err != nil {
		w.mu.Unlock()
		return
	}
	w.conns = append(w.conns, near, far)
	w.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			defer way[0].Close()
			_, _ = io.Copy(way[0], way[1]) // until one is closed
		})
	}
	both.Wait()
	far.Close()
}

func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}
