// Package stream is the contract between the CoreDNS plugin, which serves it,
// and the enforcers, which dial: the messages of stream.proto, the protocol
// version and the limits both sides hold. It knows neither DNS nor policies,
// and nothing of how either side works.
package stream

//go:generate ./generate.sh

import "time"

// Version is the protocol version. Both sides must speak the same one; a
// session between different versions is refused by name.
const Version = 1

const (
	// MaxMessage bounds one message in either direction, in bytes. A
	// Subscription that would be larger is sent as several. What is read may be
	// forty times as large in memory, if its sender means harm.
	MaxMessage = 4 << 20

	// MaxAddresses bounds the addresses of one Learned. A DNS message of 64 KiB
	// cannot hold more, so no answer is ever cut.
	MaxAddresses = 16384

	// MaxPatterns bounds the patterns of one Watch.
	MaxPatterns = 65536

	// MaxWatched bounds the addresses that one session may watch.
	MaxWatched = 65536

	// MaxSessionPatterns and MaxSessionPatternBytes bound the patterns of all
	// watches of one session together; watches with the same patterns share them.
	// At the bound they cost the plugin about 100 MB.
	MaxSessionPatterns     = 1 << 18
	MaxSessionPatternBytes = 16 << 20

	// MaxNodeAddresses bounds Hello.node_addresses.
	MaxNodeAddresses = 1024
)

const (
	// HelloTimeout is how long a client may take for its first message.
	HelloTimeout = 5 * time.Second

	// MaxTokenSession bounds the life of a session that began with a token, whose
	// pod may be gone by then. Enforcers begin the next one before.
	MaxTokenSession = 30 * time.Minute

	// KeepaliveTime is the quiet time after which either side asks whether the
	// other one lives, KeepaliveTimeout how long it waits for the reply.
	KeepaliveTime    = 10 * time.Second
	KeepaliveTimeout = 5 * time.Second

	// KeepaliveMinTime is the shortest interval between a client's keepalives
	// that the server bears.
	KeepaliveMinTime = 5 * time.Second
)
