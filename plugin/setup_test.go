package nameward

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"

	"github.com/miekg/dns"

	"github.com/nameward/nameward/plugin/internal/apiserver/apitest"
	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

// in writes a block with the given lines.
func in(lines ...string) string { return "nameward {\n" + strings.Join(lines, "\n") + "\n}\n" }

// TestSetup proves S5: each error names file and line, and what would be right.
func TestSetup(t *testing.T) {
	dir := t.TempDir()
	enforcertest.NewAuthority(t).Write(dir, "coredns")
	if err := os.WriteFile(filepath.Join(dir, "junk"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	tls := "tls " + dir + "/tls.crt " + dir + "/tls.key " + dir + "/ca.crt"
	unix, token := "listen unix:///run/nameward/dns.sock", "authenticate token nameward "
	kubeconfig := apitest.Start(t).Kubeconfig()
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	tests := []struct {
		name, corefile string
		says           string // empty: no error
	}{
		{"a unix socket", in(unix), ""},
		{"tcp with certificates", in("listen tcp://:7353", tls), ""},
		{"both", in(unix, "listen tcp://127.0.0.1:7353", tls), ""},
		{"every word", in(unix, "hold 100ms servfail", "journal 64", "lockdown refused cluster.local", "match_cname_targets"), ""},
		{"certificates, said aloud", in("listen tcp://:7353", tls, "authenticate certificate"), ""},
		{"tokens, and no client authority", in("listen tcp://:7353", "tls "+dir+"/tls.crt "+dir+"/tls.key", token+"kube-system/nameward", "kubeconfig "+kubeconfig), ""},
		{"verified pods", in("listen tcp://:7353", tls, "verify_pods", "kubeconfig "+kubeconfig), ""},
		{"a block that leaves listening to another one", "nameward", ""},
		{"hold off", in(unix, "hold 0"), ""},
		{"journal off", in(unix, "journal 0"), ""},

		{"an argument of the directive", "nameward tcp://:7353", `Testfile:1 - Error during parsing: unexpected "tcp://:7353"`},
		{"an unknown word", in(unix, "holt 1s"), `Testfile:3 - Error during parsing: unknown word "holt"; want one of authenticate, hold, journal, kubeconfig, listen, lockdown, match_cname_targets, tls, verify_pods`},
		{"the directive twice", in(unix) + in(unix), "can only be used once"},
		{"a word twice", in(unix, "hold 1s", "hold 2s"), "Testfile:4 - Error during parsing: hold stands here twice"},
		{"an address twice", in(unix, unix), "stands here twice"},

		{"no address", in("listen"), "listen has 0 arguments; want listen unix:///PATH | tcp://ADDRESS:PORT"},
		{"no scheme", in("listen :7353"), "listen :7353: want unix:///PATH or tcp://ADDRESS:PORT"},
		{"a relative path", in("listen unix://dns.sock"), "want an absolute path"},
		{"a path that no socket can have", in("listen unix:///" + strings.Repeat("x", 107)), "a socket's path has at most 107"},
		{"no port", in("listen tcp://127.0.0.1", tls), "want ADDRESS:PORT"},
		{"a port that is none", in("listen tcp://127.0.0.1:70000", tls), "want ADDRESS:PORT"},

		{"tcp without certificates", in("listen tcp://:7353"), "listen tcp:// needs tls CERT KEY CA"},
		{"certificates without tcp", in(unix, tls), "tls without listen tcp://"},
		{"too few files", in("listen tcp://:7353", "tls a"), "tls has 1 arguments; want tls CERT KEY [CA]"},
		{"no CA, and no tokens", in("listen tcp://:7353", "tls "+dir+"/tls.crt "+dir+"/tls.key"), "tls has no CA, so enforcers show no certificates; want tls CERT KEY CA, or authenticate token"},
		{"another proof", in("listen tcp://:7353", tls, "authenticate password"), "authenticate password: want certificate, or token AUDIENCE NAMESPACE/SERVICEACCOUNT"},
		{"an argument of certificate", in("listen tcp://:7353", tls, "authenticate certificate now"), "want certificate, or token"},
		{"a token without account", in("listen tcp://:7353", tls, "authenticate token nameward"), "want certificate, or token"},
		{"an account without namespace", in("listen tcp://:7353", tls, token+"nameward"), "as in token nameward kube-system/nameward"},
		{"an account in the API's own form", in("listen tcp://:7353", tls, token+"system:serviceaccount:a/b"), "as in token nameward kube-system/nameward"},
		{"tokens on a unix socket", in(unix, token+"kube-system/nameward"), "authenticate without listen tcp://"},
		{"verified pods on a unix socket", in(unix, "verify_pods"), "verify_pods without listen tcp://"},
		{"an API server for nothing", in("listen tcp://:7353", tls, "kubeconfig "+kubeconfig), "kubeconfig without authenticate token or verify_pods"},
		{"no API server", in("listen tcp://:7353", tls, token+"kube-system/nameward"), "in no pod of a cluster; want kubeconfig FILE"},
		{"a kubeconfig that is not there", in("listen tcp://:7353", tls, "verify_pods", "kubeconfig /none"), "read kubeconfig /none"},
		{"a missing file", in("listen tcp://:7353", "tls "+dir+"/none "+dir+"/tls.key "+dir+"/ca.crt"), "Testfile:3 - Error during parsing: tls " + dir + "/none"},
		{"a file of junk", in("listen tcp://:7353", "tls "+dir+"/tls.crt "+dir+"/tls.key "+dir+"/junk"), dir + "/junk: no PEM certificate"},

		{"a hold without unit", in(unix, "hold 250"), "hold 250: want a duration from 0 to 5s, as in 250ms"},
		{"a negative hold", in(unix, "hold -1s"), "want a duration from 0 to 5s"},
		{"a hold that no client waits for", in(unix, "hold 6s"), "want a duration from 0 to 5s"},
		{"another fallback", in(unix, "hold 1s nxdomain"), `unknown "nxdomain"; want servfail or nothing`},
		{"servfail without a hold", in(unix, "hold 0 servfail"), "servfail needs a duration above 0"},

		{"a journal of words", in(unix, "journal big"), "want a count from 0 to 4096"},
		{"a journal that is too large", in(unix, "journal 4097"), "want a count from 0 to 4096"},
		{"a lockdown of several zones", in(unix, "lockdown nxdomain cluster.local example.org. 10.96.0.0/12"), ""},
		{"a lockdown of words", in(unix, "lockdown servfail"), `lockdown servfail: unknown "servfail"; want nxdomain or refused`},
		{"a lockdown that locks nothing down", in(unix, "lockdown nxdomain ."), `"." would let every name pass; want the cluster's own zones`},
		{"a zone that is none", in(unix, "lockdown nxdomain a..b"), `"a..b" is no zone; want one such as cluster.local`},
		{"a lockdown without a code", in(unix, "lockdown"), "lockdown has 0 arguments; want lockdown nxdomain|refused [ZONE...]"},

		{"an argument of a switch", in(unix, "match_cname_targets on"), "match_cname_targets has 1 arguments; want match_cname_targets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := setup(caddy.NewTestController("dns", tt.corefile))
			switch {
			case tt.says == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got error %v, want one that says %q", err, tt.says)
			case err != nil && !strings.HasPrefix(err.Error(), "plugin/nameward: "):
				t.Errorf("error %v does not name the plugin", err)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	s, err := parse(caddy.NewTestController("dns", "nameward"))
	if err != nil {
		t.Fatal(err)
	}
	if s.hold != defaultHold || s.servfail || s.journal != -1 || s.cnameTargets ||
		s.lockdown.rcode != dns.RcodeNameError || !slices.Equal(s.lockdown.zones, []string{"cluster.local."}) {
		t.Errorf("got %+v", s)
	}
}

func TestFilesAreRelativeToRoot(t *testing.T) {
	dir := t.TempDir()
	enforcertest.NewAuthority(t).Write(dir, "coredns")
	c := caddy.NewTestController("dns", in("listen tcp://:7353", "tls tls.crt tls.key ca.crt"))
	dnsserver.GetConfig(c).Root = dir
	s, err := parse(c)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "ca.crt"); s.tls[2] != want {
		t.Errorf("got %s, want %s", s.tls[2], want)
	}
}

// TestBlocksAgree: what the process has once cannot be said in two ways.
func TestBlocksAgree(t *testing.T) {
	one, other := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, other} {
		enforcertest.NewAuthority(t).Write(dir, "coredns")
	}
	tls := func(dir string) string { return "tls " + dir + "/tls.crt " + dir + "/tls.key " + dir + "/ca.crt" }
	kubeconfig := "kubeconfig " + apitest.Start(t).Kubeconfig()
	socket := "listen unix://" + filepath.Join(one, "dns.sock")
	tests := []struct {
		name, first, second string
		says                string
	}{
		{"the same", in(socket, "journal 8"), in(socket, "journal 8"), ""},
		{"one says nothing", in(socket, "journal 8"), "nameward\n", ""},
		{"holds are of a block", in(socket, "hold 1s"), in(socket, "hold 2s servfail"), ""},
		{"two journals", in(socket, "journal 8"), in("journal 9"), "journal 9 here and 8 in another block"},
		{"two identities", in("listen tcp://127.0.0.1:0", tls(one)), in("listen tcp://127.0.0.1:0", tls(other)), "has other tls files in another block"},
		{"the default, said and unsaid", in("listen tcp://127.0.0.1:0", tls(one)), in("listen tcp://127.0.0.1:0", tls(one), "authenticate certificate"), ""},
		{"two proofs", in("listen tcp://127.0.0.1:0", tls(one)), in("listen tcp://127.0.0.1:0", tls(one), "authenticate token a b/c", kubeconfig), "has another authenticate, verify_pods or kubeconfig in another block"},
		{"verified in one block only", in("listen tcp://127.0.0.1:0", tls(one)), in("listen tcp://127.0.0.1:0", tls(one), "verify_pods", kubeconfig), "has another authenticate, verify_pods or kubeconfig in another block"},
		{"nobody listens", "nameward\n", in("hold 1s"), "no block has a listen line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			corefile := "example.org:0 example.com:0 {\n" + tt.first + "}\nexample.net:0 {\n" + tt.second + "}\n"
			instance, err := caddy.Start(caddy.CaddyfileInput{Filepath: "Corefile", Contents: []byte(corefile), ServerTypeName: "dns"})
			if err == nil {
				stop(t, instance)
			}
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got error %v, want %q", err, tt.says)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	upstream := slices.DeleteFunc(slices.Clone(dnsserver.Directives), func(d string) bool { return d == pluginName })
	insert := func(before string) []string {
		return slices.Insert(slices.Clone(upstream), slices.Index(upstream, before), pluginName)
	}
	tests := []struct {
		name       string
		directives []string
		says       string // empty: right
	}{
		{"after dnstap, before local", insert("local"), ""},
		{"a build without most plugins", []string{"log", pluginName, "forward"}, ""},
		{"just before cache", insert("cache"), "has nameward after local"},
		{"at the end, where COREDNS_PLUGINS puts it", append(slices.Clone(upstream), pluginName), "has nameward after local"},
		{"before log", insert("log"), "has nameward before log"},
		{"before health, whose lame duck time it must outlive", insert("health"), "has nameward before health"},
		{"nowhere", upstream, "not in dnsserver.Directives"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := checkOrder(tt.directives)
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got error %v, want %q", err, tt.says)
			}
		})
	}
	for _, d := range slices.Concat(above, below) {
		if !slices.Contains(upstream, d) {
			t.Errorf("%s is no directive of this CoreDNS", d)
		}
	}
}
