package datapath

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
)

// D9, P16: an interface is known by its index. One that got another name is the
// same, and one that got the name of another is not.
func TestInterfaceIsKnownByItsIndex(t *testing.T) {
	newScene(t)
	index := func(name string) int {
		l, err := netlink.LinkByName(name)
		must(t, err)
		return l.Attrs().Index
	}
	renamed := func(from, to string) {
		l, err := netlink.LinkByName(from)
		must(t, err)
		must(t, netlink.LinkSetName(l, to))
	}
	for _, name := range []string{"a", "b"} {
		must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "-peer"}))
	}
	a, b := index("a"), index("b")
	renamed("a", "c")
	renamed("b", "a")
	links, err := openLinks()
	must(t, err)
	defer links.close()
	for _, c := range []struct {
		sentence string
		of       Interface
		want     int
		err      error
	}{
		{"the name alone finds whoever has it", Interface{Name: "a"}, b, nil},
		{"name and index agree", Interface{"c", a}, a, nil},
		{"the interface got another name", Interface{"b", b}, b, nil},
		{"the name is another interface's now", Interface{"a", a}, 0, &MovedError{}},
		{"no name is given", Interface{"", a}, a, nil},
		{"the interface is gone", Interface{"b", b + 100}, 0, errNoInterface},
		{"nobody has the name", Interface{Name: "b"}, 0, errNoInterface},
		{"nothing is known", Interface{}, 0, errNoInterface},
	} {
		got, err := links.find(c.of)
		moved := new(MovedError)
		if _, want := c.err.(*MovedError); want && !errors.As(err, &moved) || !want && !errors.Is(err, c.err) || got != c.want {
			t.Errorf("%s: got %d, %v; want %d, %v", c.sentence, got, err, c.want, c.err)
		}
	}
}
