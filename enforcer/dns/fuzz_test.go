package dns

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/nameward/nameward/plugin/stream"
)

// FuzzLearned proves N16 from the enforcer's side: whatever a server says, what
// is handed on has addresses of one of the two families, each as the kernel
// knows it, for a time that no clock overflows with.
func FuzzLearned(f *testing.F) {
	for _, m := range []*stream.Learned{
		{Seq: 1, Client: []byte{10, 0, 0, 1}, Name: "example.org", Addresses: []*stream.Address{{Ip: []byte{192, 0, 2, 1}, Ttl: 60}}},
		{Client: []byte{10: 0xff, 11: 0xff, 12: 10, 15: 1}, Addresses: []*stream.Address{{Ip: make([]byte, 16), Ttl: 1<<32 - 1}, {}, nil}},
		{Client: []byte{1}, Name: `\255.example.org`, Replayed: true},
	} {
		wire, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := new(stream.Learned)
		if proto.Unmarshal(wire, m) != nil {
			return
		}
		got := (&link{}).learned(m)
		if got.Client.Is4In6() || got.Client.Zone() != "" {
			t.Errorf("client %v is not as the kernel knows it", got.Client)
		}
		if n := len(m.GetClient()); got.Client.IsValid() != (n == 4 || n == 16) {
			t.Errorf("client of %d bytes is read as %v", n, got.Client)
		}
		if got.Seq != m.GetSeq() || got.Name != m.GetName() || got.Replayed != m.GetReplayed() {
			t.Errorf("got %+v of %v", got, m)
		}
		valid := 0
		for _, a := range m.GetAddresses() {
			if n := len(a.GetIp()); n == 4 || n == 16 {
				valid++
			}
		}
		if len(got.Addresses) != valid {
			t.Errorf("got %d addresses, want %d", len(got.Addresses), valid)
		}
		for _, a := range got.Addresses {
			if !a.IP.IsValid() || a.IP.Is4In6() || a.IP.Zone() != "" || a.TTL < 0 || a.TTL > (1<<32)*time.Second {
				t.Errorf("address %v for %v", a.IP, a.TTL)
			}
		}
	})
}

// FuzzParseTarget proves S5: a target that is accepted reads the same again, and
// is a path or a host with a port.
func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"unix:///run/nameward/dns.sock", "tcp://[2001:db8::1]:9153", "tcp://dns:0", "service://a/b:1", "service://a/b:0", "service://a/b/c:1", "unix://", "://", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTarget(s)
		if err != nil {
			if got != (Target{}) {
				t.Fatalf("got %v beside %v", got, err)
			}
			return
		}
		if got.Unix() == (got.host != "" && got.port != "") {
			t.Fatalf("%q is read as %+v", s, got)
		}
		if again, err := ParseTarget(got.String()); err != nil || again != got {
			t.Fatalf("%q reads as %v, %v; want %v again", got.String(), again, err, got)
		}
	})
}
