package fleet

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/hack/demo/scene"
)

// balance does for the cluster DNS address what kube-proxy does: each new flow
// goes to a replica at random, from there on by connection tracking.
func balance() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Name: "service", Family: nftables.TableFamilyINet})
	chain := conn.AddChain(&nftables.Chain{
		Name: "prerouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest,
	})
	for _, family := range scene.Families {
		for i := range Replicas {
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain,
				Exprs: translate(service.Of(family), replicaAddress(i).Of(family), uint32(Replicas-i))})
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("load the Service's nftables rules: %w", err)
	}
	return nil
}

// translate is `ip daddr SERVICE numgen random mod LEFT 0 dnat to REPLICA`,
// which with one left is always so.
func translate(service, replica netip.Addr, left uint32) []expr.Any {
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
		&expr.Numgen{Register: 1, Modulus: left, Type: unix.NFT_NG_RANDOM},
		&expr.Cmp{Register: 1, Op: expr.CmpOpEq, Data: binaryutil.NativeEndian.PutUint32(0)},
		&expr.Immediate{Register: 1, Data: replica.AsSlice()},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(protocol), RegAddrMin: 1},
	}
}
