package dns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrUntrustedPeer is returned for a unix socket whose server may be anybody.
var ErrUntrustedPeer = errors.New("server is neither root, nor this user, nor the owner of a private directory")

// authenticate checks who serves a unix socket (SEMANTICS N16). Whoever
// teaches names opens the network for pods, so it must be root, the
// enforcer's own user, or the owner of the socket's directory where nobody
// else can put a socket into it.
func authenticate(conn net.Conn, path string) error {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return fmt.Errorf("inspect socket: %w", err)
	}
	var peer *unix.Ucred
	var peerErr error
	if err := raw.Control(func(fd uintptr) {
		peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return fmt.Errorf("inspect socket: %w", err)
	}
	if peerErr != nil {
		return fmt.Errorf("read peer credentials: %w", peerErr)
	}
	if peer.Uid == 0 || int(peer.Uid) == os.Geteuid() {
		return nil
	}
	return checkDirectory(filepath.Dir(path), peer.Uid)
}

func checkDirectory(dir string, uid uint32) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("inspect directory of the socket: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if owner != uid || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%w: user %d serves it, directory %s has owner %d and mode %v",
			ErrUntrustedPeer, uid, dir, owner, info.Mode().Perm())
	}
	return nil
}
