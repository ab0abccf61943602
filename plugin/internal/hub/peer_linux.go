package hub

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel for the process that connected.
func peerOf(conn net.Conn) (pid int32, uid uint32, err error) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, 0, fmt.Errorf("a %T has no peer credentials", conn)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var cred *unix.Ucred
	var failure error
	err = raw.Control(func(fd uintptr) {
		cred, failure = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err == nil {
		err = failure
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read peer credentials: %w", err)
	}
	return cred.Pid, cred.Uid, nil
}
