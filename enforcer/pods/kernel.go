package pods

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// kernel asks about the network namespace of the thread that opened it, on one
// socket. Owned by one goroutine.
type kernel struct{ sockets map[int]*nl.SocketHandle }

func openKernel() (*kernel, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	// A strict kernel heeds what a question is restricted to; else it ignores
	// it, and answers about the wrong namespace (linux/rtnetlink.h, 4.20).
	if err := unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1); err != nil {
		socket.Close()
		return nil, fmt.Errorf("have netlink heed restrictions, which Linux does from 4.20 on: %w", err)
	}
	if err := socket.SetReceiveTimeout(&nl.SocketTimeoutTv); err != nil {
		socket.Close()
		return nil, fmt.Errorf("bound the wait for netlink: %w", err)
	}
	return &kernel{map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}}, nil
}

func (k *kernel) close() { k.sockets[unix.NETLINK_ROUTE].Socket.Close() }

// body is a message's fixed part, as the kernel lays it out.
type body []byte

func (b body) Len() int          { return len(b) }
func (b body) Serialize() []byte { return b }

// dump asks for all of a kind. Dumps that changes interrupted are asked again.
func (k *kernel) dump(question, answer int, b body, attrs []*nl.RtAttr, each func([]byte)) error {
	var err error
	for range 5 {
		request := nl.NewNetlinkRequest(question, unix.NLM_F_DUMP)
		request.Sockets = k.sockets
		request.AddData(b)
		for _, a := range attrs {
			request.AddData(a)
		}
		err = request.ExecuteIter(unix.NETLINK_ROUTE, uint16(answer), func(m []byte) bool {
			each(m)
			return true
		})
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			break
		}
	}
	return err
}

// skipCounters is RTEXT_FILTER_SKIP_STATS (linux/rtnetlink.h).
const skipCounters = 1 << 3

func (k *kernel) links() (map[int]*link, error) {
	all := make(map[int]*link)
	// Counters are most of an interface's answer, and of the cost.
	mask := nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipCounters))
	err := k.dump(unix.RTM_GETLINK, unix.RTM_NEWLINK, make(body, unix.SizeofIfInfomsg), []*nl.RtAttr{mask}, func(m []byte) {
		if l := parseLink(m); l != nil {
			all[l.index] = l
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return all, nil
}

// some are the interfaces of before, those that were touched asked for again.
func (k *kernel) some(before map[int]*link, touched map[int]bool) (map[int]*link, error) {
	all := maps.Clone(before)
	for index := range touched {
		request := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
		request.Sockets = k.sockets
		b := make(body, unix.SizeofIfInfomsg)
		copy(b[4:], nl.Uint32Attr(uint32(index)))
		request.AddData(b)
		request.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(skipCounters)))
		answers, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		switch {
		case errors.Is(err, unix.ENODEV):
			delete(all, index)
		case err != nil:
			return nil, fmt.Errorf("ask for interface %d: %w", index, err)
		default:
			for _, m := range answers {
				if l := parseLink(m); l != nil {
					all[l.index] = l
				}
			}
		}
	}
	return all, nil
}

// families are asked one by one: a question about any family is restricted by
// nothing in some of them.
var families = []byte{unix.AF_INET, unix.AF_INET6}

func (k *kernel) routes(each func(route)) error {
	for _, family := range families {
		b := make(body, unix.SizeofRtMsg)
		b[rtFamily] = family
		err := k.dump(unix.RTM_GETROUTE, unix.RTM_NEWROUTE, b, nil, func(m []byte) {
			if r, ok := parseRoute(m); ok {
				each(r)
			}
		})
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
	}
	return nil
}

// addresses lists those of all interfaces here.
func (k *kernel) addresses() ([]address, error) {
	return k.addressesOf(0, nil)
}

// inside lists the addresses of an interface's other end. The kernel answers
// for that namespace from here, so that nobody needs to go there.
func (k *kernel) inside(l *link) ([]netip.Addr, error) {
	target := nl.NewRtAttr(unix.IFA_TARGET_NETNSID, nl.Uint32Attr(uint32(l.nsid)))
	found, err := k.addressesOf(l.peer, []*nl.RtAttr{target})
	if err != nil {
		return nil, fmt.Errorf("in the namespace behind %s: %w", l.name, err)
	}
	var addrs []netip.Addr
	for _, a := range found {
		if a.index == l.peer {
			addrs = append(addrs, a.addr)
		}
	}
	return addrs, nil
}

func (k *kernel) addressesOf(index int, attrs []*nl.RtAttr) ([]address, error) {
	var all []address
	for _, family := range families {
		b := make(body, unix.SizeofIfAddrmsg)
		b[0] = family
		copy(b[4:], nl.Uint32Attr(uint32(index)))
		err := k.dump(unix.RTM_GETADDR, unix.RTM_NEWADDR, b, attrs, func(m []byte) {
			if a, ok := parseAddress(m); ok {
				all = append(all, a)
			}
		})
		// One that is asked for and gone between the questions has none.
		if err != nil && !(index != 0 && errors.Is(err, unix.ENODEV)) {
			return nil, fmt.Errorf("list addresses: %w", err)
		}
	}
	return all, nil
}

// rtgenmsg's size, with the padding.
const genMessage = 4

// nsid is the number, here, of the namespace that is mounted at a path, or
// nowhere: not visible, not a namespace, or with no interface from here.
func (k *kernel) nsid(path string) int {
	// Not blocking, for what is no namespace but a pipe.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nowhere
	}
	defer file.Close()
	request := nl.NewNetlinkRequest(unix.RTM_GETNSID, 0)
	request.Sockets = k.sockets
	request.AddData(make(body, genMessage))
	request.AddData(nl.NewRtAttr(unix.NETNSA_FD, nl.Uint32Attr(uint32(file.Fd()))))
	answers, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNSID)
	if err != nil || len(answers) == 0 || len(answers[0]) < genMessage {
		return nowhere
	}
	for kind, value := range attributes(answers[0][genMessage:]) {
		if kind == unix.NETNSA_NSID {
			return number(value)
		}
	}
	return nowhere
}
