package policy

import (
	"crypto/sha256"
	"encoding/binary"
)

// digest is the whole hash of a canonical rendering. Where two things are
// compared for being the same, digests are; ids are their first 8 bytes, which
// somebody who may write policies can make collide on purpose (2^32 attempts).
type digest [sha256.Size]byte

// shorten makes an id of a digest. It is a parameter of the compiler so that a
// test can force collisions.
type shorten func(digest) uint64

func firstEightBytes(d digest) uint64 {
	return max(1, binary.BigEndian.Uint64(d[:8]))
}

// EndpointOf is the id of the pod with that UID.
func EndpointOf(uid string) EndpointID {
	return EndpointID(firstEightBytes(sha256.Sum256([]byte(uid))))
}

// rendering collects what a digest is taken over. Every part carries its
// length, so that no two different values render alike.
type rendering []byte

func newRendering(kind string) rendering { return rendering(nil).text(kind) }

func (r rendering) number(n int) rendering {
	return binary.AppendUvarint(r, uint64(n))
}

func (r rendering) text(s string) rendering {
	return append(r.number(len(s)), s...)
}

func (r rendering) texts(all []string) rendering {
	r = r.number(len(all))
	for _, s := range all {
		r = r.text(s)
	}
	return r
}

func (r rendering) digest(d digest) rendering { return append(r, d[:]...) }

func (r rendering) sum() digest { return sha256.Sum256(r) }

const (
	// nameClassBit keeps name classes apart from peer classes, whose rows
	// lie in one table: without it an author of policies could look for a
	// pattern whose rows overwrite those of a peer class.
	nameClassBit ClassID = 1 << 63
)
