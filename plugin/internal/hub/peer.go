package hub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc/credentials"
)

// peerCredentials admits, on a unix socket, the processes of root and of the
// user that CoreDNS runs as: the kernel says who is there (SO_PEERCRED).
type peerCredentials struct {
	hub      *Hub
	endpoint Endpoint
}

// peerInfo is what the handshake found.
type peerInfo struct {
	credentials.CommonAuthInfo
}

func (peerInfo) AuthType() string { return "peercred" }

// ServerHandshake implements credentials.TransportCredentials.
func (c peerCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	pid, uid, err := peerOf(conn)
	if err == nil && uid != 0 && int(uid) != os.Getuid() {
		err = fmt.Errorf("process %d runs as uid %d; want 0 or %d", pid, uid, os.Getuid())
	}
	if err != nil {
		c.hub.refuse(ReasonHandshake, "refused a peer on %s: %v", c.endpoint, err)
		conn.Close()
		return nil, nil, err
	}
	// A unix socket is as private as the memory of the two processes.
	info := credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}
	return conn, peerInfo{info}, nil
}

// ClientHandshake implements credentials.TransportCredentials.
func (peerCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("peer credentials are checked by servers only")
}

// Info implements credentials.TransportCredentials.
func (peerCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "peercred"}
}

// Clone implements credentials.TransportCredentials.
func (c peerCredentials) Clone() credentials.TransportCredentials { return c }

// OverrideServerName implements credentials.TransportCredentials.
func (peerCredentials) OverrideServerName(string) error { return nil }
