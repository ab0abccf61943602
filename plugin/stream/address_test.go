package stream

import (
	"net/netip"
	"testing"
)

func TestParseAddress(t *testing.T) {
	mapped := netip.MustParseAddr("::ffff:192.0.2.1").As16()
	tests := []struct {
		name string
		in   []byte
		want string // empty: an error
	}{
		{"four bytes", []byte{192, 0, 2, 1}, "192.0.2.1"},
		{"sixteen bytes", netip.MustParseAddr("2001:db8::1").AsSlice(), "2001:db8::1"},
		{"a mapped address is the v4 address", mapped[:], "192.0.2.1"},
		{"no bytes", nil, ""},
		{"five bytes", make([]byte, 5), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseAddress(tt.in)
			if (err != nil) != (tt.want == "") || err == nil && got.String() != tt.want {
				t.Errorf("got %v and %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestParseAddressesStopsAtTheFirstBadOne(t *testing.T) {
	if got, err := ParseAddresses([][]byte{{192, 0, 2, 1}, {1}}); err == nil {
		t.Errorf("got %v, want an error", got)
	}
	got, err := ParseAddresses([][]byte{{192, 0, 2, 1}, {192, 0, 2, 2}})
	if err != nil || len(got) != 2 {
		t.Errorf("got %v and %v, want two addresses", got, err)
	}
}
