package scene

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// needRoot skips where the scene cannot be built at all.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: creates network namespaces")
	}
}

func TestSceneWithoutPolicyIsOpen(t *testing.T) {
	needRoot(t)
	prefix := fmt.Sprintf("nameward-test-%d", os.Getpid())
	s, err := New(prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		entries, _ := filepath.Glob(filepath.Join(netspaceFolder, prefix+"*"))
		if len(entries) != 0 {
			t.Errorf("network namespaces left behind: got %v, want none", entries)
		}
	}()
	for _, family := range Families {
		for _, pod := range s.Pods.All()[1:] {
			for _, target := range []Target{ExampleCom, HTTPBin, Backend, Fresh(0), Short(32767)} {
				t.Run(fmt.Sprintf("%s reaches %s over %s", pod, target.Label, family), func(t *testing.T) {
					reaches(t, pod, target, family)
				})
			}
		}
		for _, target := range []Target{ExampleCom, Fresh(12345), Short(7)} {
			t.Run(fmt.Sprintf("the authority answers for %s over %s", target.Name, family), func(t *testing.T) {
				resolves(t, s.Pods.Guest, target, family)
			})
		}
	}
	silences(t, s)
}

// patience is how long a test tries again what nothing came back from: on a
// machine with much else to do, an answer takes longer than a pod waits for it.
const patience = 10 * time.Second

// answered gives what came of something, as soon as that is not silence.
func answered[T any](try func() (T, error)) (T, error) {
	for end := time.Now().Add(patience); ; {
		got, err := try()
		if !Blocked(err) || time.Now().After(end) {
			return got, err
		}
	}
}

// connected opens a connection that nothing drops.
func connected(t *testing.T, pod *Pod, to netip.AddrPort) (*Conn, error) {
	return answered(func() (*Conn, error) { return pod.Connect(t.Context(), to) })
}

func lookedUp(t *testing.T, pod *Pod, name string, f Family) (netip.Addr, error) {
	return answered(func() (netip.Addr, error) { return pod.Lookup(t.Context(), Authority, name, f) })
}

func reaches(t *testing.T, pod *Pod, target Target, f Family) {
	conn, err := connected(t, pod, netip.AddrPortFrom(target.Known.Of(f), target.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Get(target.Name, patience); err != nil {
		t.Fatal(err)
	}
}

func resolves(t *testing.T, pod *Pod, target Target, f Family) {
	got, err := lookedUp(t, pod, target.Name, f)
	if err != nil {
		t.Fatal(err)
	}
	if want := target.Known.Of(f); got != want {
		t.Errorf("address: got %s, want %s", got, want)
	}
}

// silences checks that silence, and nothing but silence, reads as blocked.
func silences(t *testing.T, s *Scene) {
	t.Run("a name that does not exist has no address", func(t *testing.T) {
		_, err := lookedUp(t, s.Pods.Guest, "no.such.example", V4)
		if !errors.Is(err, ErrNoAddress) {
			t.Errorf("error: got %v, want %v", err, ErrNoAddress)
		}
	})
	t.Run("a dropped SYN is seen as blocked", func(t *testing.T) {
		err := s.Node.Do(func() error { return Sysctl("net/ipv4/ip_forward", "0") })
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Pods.Guest.Connect(t.Context(), netip.AddrPortFrom(ExampleCom.Known.V4, HTTPPort))
		if !Blocked(err) {
			t.Errorf("error: got %v, want one that means blocked", err)
		}
	})
	t.Run("a refused connection is not seen as blocked", func(t *testing.T) {
		_, err := connected(t, s.Pods.Guest, netip.AddrPortFrom(NodeAddress.V4, 9))
		if err == nil || Blocked(err) {
			t.Errorf("error: got %v, want one that does not mean blocked", err)
		}
	})
}

func TestTwoScenesAtATime(t *testing.T) {
	needRoot(t)
	prefix := fmt.Sprintf("nameward-pair-%d", os.Getpid())
	first, err := New(prefix + "a")
	if err != nil {
		t.Fatal(err)
	}
	second, err := New(prefix + "b")
	if err != nil {
		t.Fatal(errors.Join(err, first.Close()))
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	conn, err := connected(t, first.Pods.Guest, netip.AddrPortFrom(ExampleCom.Known.V4, HTTPPort))
	if err != nil {
		t.Errorf("first scene after the second has gone: %v", err)
	} else {
		conn.Close()
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

func TestFailedSceneLeavesNothing(t *testing.T) {
	needRoot(t)
	prefix := fmt.Sprintf("nameward-half-%d", os.Getpid())
	taken, err := NewNetspace(prefix + "-crawler")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Remove()
	if _, err := New(prefix); err == nil {
		t.Fatal("scene over a taken name: got none, want an error")
	}
	entries, _ := filepath.Glob(filepath.Join(netspaceFolder, prefix+"*"))
	if got := strings.Join(entries, " "); got != filepath.Join(netspaceFolder, taken.Name) {
		t.Errorf("network namespaces left: got %q, want only the taken one", got)
	}
}

func TestNumberedNamesHaveAddressesOfTheirOwn(t *testing.T) {
	seen := map[netip.Addr]string{}
	for i := range 2000 {
		for _, target := range []Target{Fresh(i), Short(i)} {
			for _, family := range Families {
				addr := target.Known.Of(family)
				if other, taken := seen[addr]; taken {
					t.Fatalf("address %s: got names %s and %s, want one", addr, other, target.Name)
				}
				seen[addr] = target.Name
				if !outsideNetworks[4].Contains(addr) && !outsideNetworks[5].Contains(addr) {
					t.Fatalf("address %s of %s: got outside of the networks, want inside", addr, target.Name)
				}
			}
		}
	}
}
