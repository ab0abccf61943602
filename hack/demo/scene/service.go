package scene

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Service is an address in front of others.
type Service struct {
	Address  Dual
	Backends []Dual
	// Port and BackendPort are of the one TCP port that is served. Without them
	// all ports of every protocol are, each by its own.
	Port, BackendPort uint16
}

// Balance does in the thread's network namespace what kube-proxy does: each new
// flow goes to a backend at random, from there on by connection tracking. A
// namespace has one Service at most.
func (s Service) Balance() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Name: "service", Family: nftables.TableFamilyINet})
	chain := conn.AddChain(&nftables.Chain{
		Name: "prerouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest,
	})
	for _, family := range Families {
		for i, backend := range s.Backends {
			exprs := s.translate(family, backend.Of(family), uint32(len(s.Backends)-i))
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("load the Service's nftables rules: %w", err)
	}
	return nil
}

// translate is `ip daddr SERVICE tcp dport PORT numgen random mod LEFT 0 dnat to
// BACKEND:PORT`, which with one left is always so.
func (s Service) translate(f Family, backend netip.Addr, left uint32) []expr.Any {
	protocol, offset := byte(unix.NFPROTO_IPV4), uint32(16) // of the destination in the header
	if f == V6 {
		protocol, offset = unix.NFPROTO_IPV6, 24
	}
	address := s.Address.Of(f).AsSlice()
	rule := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: []byte{protocol}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(address))},
		&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: address},
	}
	nat := &expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(protocol), RegAddrMin: 1}
	if s.Port != 0 {
		rule = append(rule,
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: []byte{unix.IPPROTO_TCP}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: binaryutil.BigEndian.PutUint16(s.Port)},
			&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(s.BackendPort)})
		nat.RegProtoMin = 2
	}
	return append(rule,
		&expr.Numgen{Register: 1, Modulus: left, Type: unix.NFT_NG_RANDOM},
		&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: binaryutil.NativeEndian.PutUint32(0)},
		&expr.Immediate{Register: 1, Data: backend.AsSlice()},
		nat)
}
