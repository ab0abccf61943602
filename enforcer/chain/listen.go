package chain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxPath is the longest path of a unix socket, in bytes (sun_path in unix(7),
// with the terminating zero), less what its name in the making adds.
const maxPath = 107 - len(".new")

// ErrInUse is returned for a socket at which somebody answers.
var ErrInUse = errors.New("somebody answers at the socket")

// Listen makes a unix socket at path that root alone may use, and the
// directory above it where there is none. A socket that a killed enforcer left
// is replaced; anything else at path, or a socket that somebody answers at, is
// an error. Close removes the socket, if it is still this one.
func Listen(path string) (net.Listener, error) {
	if !filepath.IsAbs(path) || len(path) > maxPath {
		return nil, fmt.Errorf("socket %q has %d bytes; want an absolute path of at most %d", path, len(path), maxPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the socket's directory: %w", err)
	}
	if err := checkStale(path); err != nil {
		return nil, err
	}
	// Made under another name, so that it is never at path with other
	// permissions than its own.
	making := path + ".new"
	if err := os.Remove(making); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove a socket left half made: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: making, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(making, 0o600), os.Rename(making, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("put the socket in place: %w", err), l.Close(), os.Remove(making))
	}
	made, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look at the socket: %w", err), l.Close())
	}
	return &listener{UnixListener: l, path: path, made: made}, nil
}

// checkStale returns nil where path is free, or a socket without a server.
func checkStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and no socket; name another path, or remove it", path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err == nil {
		_ = conn.Close() // it was only to see
		return fmt.Errorf("%w %s: another enforcer runs on this node", ErrInUse, path)
	}
	return fmt.Errorf("%w %s: %w", ErrInUse, path, err)
}

// listener removes its socket when it is closed.
type listener struct {
	*net.UnixListener
	path string
	made fs.FileInfo
	once sync.Once
}

func (l *listener) Close() error {
	err := l.UnixListener.Close()
	l.once.Do(func() {
		now, statErr := os.Lstat(l.path)
		if statErr == nil && os.SameFile(now, l.made) {
			err = errors.Join(err, os.Remove(l.path))
		}
	})
	return err
}

// peer returns the user at the other end of a connection; the kernel vouches.
func peer(conn net.Conn) (uint32, error) {
	if b, ok := conn.(*bounded); ok {
		conn = b.Conn
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("connection over %s tells no user; want a unix socket", conn.LocalAddr().Network())
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("inspect connection: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, fmt.Errorf("inspect connection: %w", err)
	}
	if credErr != nil {
		return 0, fmt.Errorf("read peer credentials: %w", credErr)
	}
	return cred.Uid, nil
}

// bound hands out at most so many connections at once; others wait in the
// kernel's queue, as long as their own patience lasts.
type bound struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newBound(l net.Listener, places int) *bound {
	return &bound{Listener: l, places: make(chan struct{}, places), closed: make(chan struct{})}
}

func (b *bound) Accept() (net.Conn, error) {
	select {
	case b.places <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err
	}
	return &bounded{Conn: conn, places: b.places}, nil
}

func (b *bound) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

type bounded struct {
	net.Conn
	places chan struct{}
	once   sync.Once
}

func (c *bounded) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.places })
	return err
}
