package pods

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the results of the plugins name, likeliest first.
func TestParseCache(t *testing.T) {
	const uid = "6a1c1f2e-7f0b-4a53-9b0c-0e8a1b1f2c3d"
	cases := []struct {
		file, uid, name, netns string
		ends                   []end
		addresses              []string
	}{
		{"ptp.json", "", "", "/var/run/netns/cni-62ab74e2-2edf-994d-aed4-5d7fdf98732e",
			[]end{{name: "vethcc040370", mac: "12:a9:2d:0e:62:ca"}}, []string{"10.88.1.3", "fd88:1::3"}},
		{"bridge.json", uid, "cart-0", "/var/run/netns/cni-794f5a0f-fea6-0372-ac13-62695d222ff3",
			[]end{{name: "cni0", mac: "be:6c:f1:1f:7a:01"}, {name: "veth1a2b3c4d", mac: "76:93:0d:55:1b:02"}}, []string{"10.88.1.7"}},
		{"aws.json", uid, "cart-0", "/var/run/netns/cni-0b08d467-68fa-bec9-e78b-dba9f5b7292a",
			[]end{{name: "eni7b9a1c2d3e4"}, {name: "dummy7b9a1c2d3e4", mac: "0"}}, []string{"192.168.87.14"}},
		{"calico.json", uid, "cart-0", "/var/run/netns/cni-e803ea88-022f-6665-8512-e5cf82026331",
			[]end{{name: "calif0e1d2c3b4a"}}, []string{"10.244.3.17", "fd00:244:3::11"}},
		{"old.json", "", "cart-0", "/proc/4711/ns/net",
			[]end{{name: "cni0", mac: "be:6c:f1:1f:7a:01"}, {name: "veth0badcafe", mac: "76:93:0d:55:1b:02"}}, []string{"10.244.0.9"}},
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			f, ok, err := parseCache(must(os.ReadFile(filepath.Join("testdata", c.file))), "eth0")
			if err != nil || !ok || c.name != "" && (f.uid != c.uid || f.namespace != "shop" || f.name != c.name) || f.netns != c.netns {
				t.Fatalf("got %+v, %v, %v", f, ok, err)
			}
			var addresses []string
			for _, a := range f.addresses {
				addresses = append(addresses, a.String())
			}
			if diff := cmp.Diff(c.ends, f.ends, cmp.AllowUnexported(end{})); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.addresses, addresses); diff != "" {
				t.Error(diff)
			}
		})
	}
	for sentence, text := range map[string]string{
		"a loopback is no pod's interface":       `{"kind":"cniCacheV1","containerId":"a","ifName":"lo","cniArgs":[["K8S_POD_UID","u"]]}`,
		"a second network is not the primary":    `{"kind":"cniCacheV1","containerId":"a","ifName":"net1","cniArgs":[["K8S_POD_UID","u"]]}`,
		"a container is not always a pod's":      `{"kind":"cniCacheV1","containerId":"a","ifName":"eth0"}`,
		"another kind of cache is not looked at": `{"kind":"other","containerId":"a","ifName":"eth0","cniArgs":[["K8S_POD_UID","u"]]}`,
	} {
		t.Run(sentence, func(t *testing.T) {
			if f, ok, err := parseCache([]byte(text), "eth0"); ok || err != nil {
				t.Errorf("got %+v, %v, %v, want nothing and no error", f, ok, err)
			}
		})
	}
}

// FuzzParseCache: no bytes make the parser panic, and a fact is whole.
func FuzzParseCache(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		f.Add(must(os.ReadFile(name)))
	}
	f.Add([]byte(`{"kind":"cniCacheV1","containerId":"a","ifName":"eth0","cniArgs":[["K8S_POD_UID","u"]],"result":{"ips":[{"address":"::ffff:10.0.0.1/96","interface":-1}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		fact, ok, err := parseCache(text, "eth0")
		if ok && (err != nil || fact.container == "" || fact.uid == "" && (fact.namespace == "" || fact.name == "")) {
			t.Fatalf("got %+v, %v: neither a whole fact nor none", fact, err)
		}
		for _, a := range fact.addresses {
			if !a.IsValid() || a.Is4In6() {
				t.Fatalf("got address %v, want a whole one of either family", a)
			}
		}
	})
}

// FuzzMessages: no bytes from a netlink socket make a parser panic.
func FuzzMessages(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Add([]byte("\x02\x20\x00\x00\xfe\x00\x00\x01\x00\x00\x00\x00\x08\x00\x01\x00\x0a\x01\x00\x05\x08\x00\x04\x00\x07\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseLink(b)
		if r, ok := parseRoute(b); ok && r.to.IsValid() != (b[rtBits] != 0) {
			t.Fatal("a route to one address is a default route, or the other way round")
		}
		if a, ok := parseAddress(b); ok && !a.addr.IsValid() {
			t.Fatal("an address that is none")
		}
	})
}

// The directory of results may come after the enforcer, and its files grow
// before they are whole.
func TestResultsAreFollowed(t *testing.T) {
	text := must(os.ReadFile("testdata/aws.json"))
	dir := filepath.Join(t.TempDir(), "lib", "cni", "results")
	r := must(followResults(dir, "eth0", slog.New(slog.DiscardHandler)))
	defer r.close()
	r.refresh()
	next := func(what string, good func() bool) {
		t.Helper()
		for !good() {
			event, open := <-r.watcher.Events
			if !open {
				t.Fatalf("events ended before %s", what)
			}
			r.happened(event)
		}
	}
	read := func(name string) bool { return r.files[name].fact != nil }
	check(t, os.MkdirAll(dir, 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "a"), text, 0o600))
	next("a file in a new directory", func() bool { return read("a") })
	check(t, os.WriteFile(filepath.Join(dir, "b"), text[:100], 0o600))
	next("half a file", func() bool { return r.files["b"].bad != nil })
	check(t, os.WriteFile(filepath.Join(dir, "b"), text, 0o600))
	next("the whole of it", func() bool { return read("b") && r.files["b"].bad == nil })
	check(t, os.Remove(filepath.Join(dir, "a")))
	next("a file that goes", func() bool { return !read("a") })
	check(t, os.RemoveAll(dir))
	next("a directory that goes", func() bool { return r.watched != dir })
	check(t, os.MkdirAll(dir, 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "c"), text, 0o600))
	next("a directory made again", func() bool { return read("c") && !read("b") })
	check(t, os.WriteFile(filepath.Join(dir, "d"), []byte(strings.Repeat(" ", largest+1)), 0o600))
	next("a file of any size", func() bool { return r.files["d"].bad != nil })
}
