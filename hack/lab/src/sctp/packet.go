package sctp

import (
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
)

const (
	cDATA, cINIT, cINITACK, cSACK, cABORT, cSHUTDOWN, cCOOKIEECHO, cCOOKIEACK = 0, 1, 2, 3, 6, 7, 10, 11
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func u32() uint32 {
	var b [4]byte
	for {
		rand.Read(b[:])
		if v := binary.BigEndian.Uint32(b[:]); v != 0 {
			return v
		}
	}
}

func packet(sport, dport int, tag uint32, chunks ...[]byte) []byte {
	p := make([]byte, 12, 256)
	binary.BigEndian.PutUint16(p[0:], uint16(sport))
	binary.BigEndian.PutUint16(p[2:], uint16(dport))
	binary.BigEndian.PutUint32(p[4:], tag)
	for _, c := range chunks {
		p = append(p, c...)
		for len(p)%4 != 0 {
			p = append(p, 0)
		}
	}
	binary.LittleEndian.PutUint32(p[8:], crc32.Checksum(p, castagnoli))
	return p
}

func chunk(typ, flags byte, body []byte) []byte {
	c := make([]byte, 4, 4+len(body))
	c[0], c[1] = typ, flags
	binary.BigEndian.PutUint16(c[2:], uint16(4+len(body)))
	return append(c, body...)
}

func initBody(tag, tsn uint32) []byte {
	b := make([]byte, 16)
	binary.BigEndian.PutUint32(b[0:], tag)
	binary.BigEndian.PutUint32(b[4:], 65536)
	binary.BigEndian.PutUint16(b[8:], 1)
	binary.BigEndian.PutUint16(b[10:], 1)
	binary.BigEndian.PutUint32(b[12:], tsn)
	return b
}

func dataBody(tsn uint32, ssn uint16, d []byte) []byte {
	b := make([]byte, 12, 12+len(d))
	binary.BigEndian.PutUint32(b[0:], tsn)
	binary.BigEndian.PutUint16(b[6:], ssn)
	return append(b, d...)
}

func sackBody(tsn uint32) []byte {
	b := make([]byte, 12)
	binary.BigEndian.PutUint32(b[0:], tsn)
	binary.BigEndian.PutUint32(b[4:], 65536)
	return b
}

type parsed struct {
	sport, dport int
	tag          uint32
	chunks       [][]byte
}

func parse(p []byte) (r parsed, ok bool) {
	if len(p) < 16 {
		return
	}
	sum := binary.LittleEndian.Uint32(p[8:])
	q := append([]byte(nil), p...)
	q[8], q[9], q[10], q[11] = 0, 0, 0, 0
	if crc32.Checksum(q, castagnoli) != sum {
		return
	}
	r.sport, r.dport = int(binary.BigEndian.Uint16(p)), int(binary.BigEndian.Uint16(p[2:]))
	r.tag = binary.BigEndian.Uint32(p[4:])
	for q = q[12:]; len(q) >= 4; {
		n := int(binary.BigEndian.Uint16(q[2:]))
		if n < 4 || n > len(q) {
			break
		}
		r.chunks = append(r.chunks, q[:n])
		if n = (n + 3) &^ 3; n > len(q) {
			break
		}
		q = q[n:]
	}
	return r, true
}
