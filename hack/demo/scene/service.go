package scene

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// serviceAddresses does for the Service what kube-proxy does: new connections
// to its addresses go to the backend's, from here on by connection tracking.
func serviceAddresses() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Name: "service", Family: nftables.TableFamilyINet})
	chain := conn.AddChain(&nftables.Chain{
		Name: "prerouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest,
	})
	backend := newPods().Backend.Address
	for _, family := range Families {
		conn.AddRule(&nftables.Rule{
			Table: table, Chain: chain, Exprs: translate(BackendService.Of(family), backend.Of(family)),
		})
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("load the Service's nftables rules: %w", err)
	}
	return nil
}

// translate is `ip daddr SERVICE tcp dport 80 dnat to BACKEND:8080`.
func translate(service, backend netip.Addr) []expr.Any {
	protocol, offset := byte(unix.NFPROTO_IPV4), uint32(16) // of the destination in the header
	if service.Is6() {
		protocol, offset = unix.NFPROTO_IPV6, 24
	}
	address := service.AsSlice()
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: []byte{protocol}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(address))},
		&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: address},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: binaryutil.BigEndian.PutUint16(HTTPPort)},
		&expr.Immediate{Register: 1, Data: backend.AsSlice()},
		&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(BackendPort)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(protocol), RegAddrMin: 1, RegProtoMin: 2},
	}
}
