package dns

import (
	"google.golang.org/protobuf/proto"

	"github.com/nameward/nameward/plugin/stream"
)

// chunkBytes is when a message is closed and the next begun, and the largest
// size of a single watch, which cannot be divided, because a later one would
// replace it. The rest of stream.MaxMessage is room for envelopes.
const chunkBytes = stream.MaxMessage / 2

// chunked divides removals and watches into messages that stay under the
// limit, removals first, at least one message. CoreDNS puts the change into
// force with the last one, so that no pod is without its lockdown between two.
func chunked(removed [][]byte, watches []*stream.Watch) []*stream.Subscription {
	chunks := []*stream.Subscription{{}}
	size := 0
	next := func(n int) *stream.Subscription {
		if size > 0 && size+n > chunkBytes {
			chunks[len(chunks)-1].More = true
			chunks, size = append(chunks, &stream.Subscription{}), 0
		}
		size += n
		return chunks[len(chunks)-1]
	}
	const envelope = 8
	for _, r := range removed {
		c := next(len(r) + envelope)
		c.Removed = append(c.Removed, r)
	}
	for _, w := range watches {
		c := next(proto.Size(w) + envelope)
		c.Watches = append(c.Watches, w)
	}
	return chunks
}
