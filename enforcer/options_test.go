package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/nameward/nameward/enforcer/datapath"
	"github.com/nameward/nameward/enforcer/grants"
	"github.com/nameward/nameward/enforcer/policy"
	"github.com/nameward/nameward/enforcer/policy/convert"
)

// S5: every mistake on the command line has one error that names the flag and
// says what would be right.
func TestCommandLineMistakes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(dir, "ca")
	if err := os.WriteFile(ca, selfSigned(t), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := t.TempDir()
	if err := os.WriteFile(filepath.Join(bad, "pod.yaml"), []byte("apiVersion: v1\nkind: Pod\nspecs: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		sentence, args, want string
	}{
		{"no folder", "", "--manifests: required"},
		{"a folder and a cluster", "--manifests DIR --kubernetes", "--manifests, --kubernetes and --kubeconfig exclude each other"},
		{"a cluster where there is none", "--node n --kubernetes", "--kubernetes: this process is in no pod of a cluster; give --kubeconfig FILE"},
		{"a kubeconfig that is none", "--node n --kubeconfig FILE", "--kubeconfig: read kubeconfig " + file},
		{"a namespace that is none", "--manifests DIR --namespace Name_Ward", `--namespace: "Name_Ward" is no namespace`},
		{"a Service as DNS target without a cluster", "--manifests DIR --dns service://nameward/dns:7353", "--dns: a Service is known in a cluster only"},
		{"a folder that is not there", "--manifests /none", "--manifests: stat /none: no such file"},
		{"a file as folder", "--manifests " + file, "is a file, want a folder"},
		{"a manifest with a fault", "--node n --manifests " + bad, "pod.yaml:3"},
		{"a default nobody knows", "--manifests DIR --default maybe", `--default: "maybe": want deny or allow`},
		{"a mode nobody knows", "--manifests DIR --mode dry-run", `--mode: "dry-run" is not a mode; write audit or enforce`},
		{"a DNS target without scheme", "--manifests DIR --dns dns:53", "--dns: \"dns:53\": want unix:///path, tcp://host:port or service://namespace/name:port"},
		{"a DNS target twice", "--manifests DIR --dns unix:///a --dns unix:///a", "given twice"},
		{"tcp without certificates", "--manifests DIR --dns tcp://dns:53", "--tls-cert: required by --dns tcp://dns:53"},
		{"a certificate that is not there", "--manifests DIR --tls-cert /none --tls-key FILE --tls-ca FILE", "--tls-cert: open /none"},
		{"a key without its certificate", "--manifests DIR --tls-key FILE --tls-ca FILE", "--tls-cert: required; certificate, key and CA go together, or --token and the CA"},
		{"a certificate that is none", "--manifests DIR --tls-cert FILE --tls-key FILE --tls-ca FILE", "--tls-cert, --tls-key, --tls-ca: load certificate"},
		{"a token without a CA", "--manifests DIR --dns tcp://dns:53 --token FILE", "--tls-ca: required by --dns tcp://dns:53"},
		{"a token that is not there", "--manifests DIR --token /none --tls-ca FILE", "--token: open /none"},
		{"a token and half a certificate", "--manifests DIR --token FILE --tls-ca FILE --tls-key FILE", "--tls-cert: required"},
		{"a token of several words", "--manifests DIR --token FILE --tls-ca CA", "--token: load token " + file + ": no token in it; want one line"},
		{"an address that is none", "--manifests DIR --cluster-dns kube-dns", `--cluster-dns: "kube-dns": want an IP address`},
		{"a Service of no namespace", "--manifests DIR --cluster-dns-services kube-dns", `--cluster-dns-services: "kube-dns": want namespace/name of a Service, such as kube-system/kube-dns`},
		{"a Service that is an address", "--manifests DIR --cluster-dns-services kube-system/10.96.0.10", `--cluster-dns-services: "kube-system/10.96.0.10": want namespace/name`},
		{"a CIDR that is none", "--manifests DIR --guard-allow 10.0.0.1", `--guard-allow: "10.0.0.1": want a CIDR`},
		{"a NAT64 prefix of no layout", "--manifests DIR --nat64 64:ff9b::/95", `--nat64: "64:ff9b::/95" is no NAT64 prefix; write an IPv6 one of length 32`},
		{"no address for a name", "--manifests DIR --addresses-per-name 0", "--addresses-per-name: 0 is out of range, want 1 to 100000"},
		{"too many addresses for a pod", "--manifests DIR --addresses-per-pod 100001", "--addresses-per-pod: 100001 is out of range, want 1 to 100000"},
		{"a negative lifetime", "--manifests DIR --min-ttl -1s", "--min-ttl: -1s: want 0s to 24h"},
		{"a number as lifetime", "--manifests DIR --grace 60", `invalid argument "60" for "--grace"`},
		{"a relative pin directory", "--manifests DIR --pin bpf", `--pin: "bpf": want an absolute directory`},
		{"a metrics address without port", "--manifests DIR --metrics localhost", `--metrics: "localhost": want host:port`},
		{"a metrics address of another machine", "--node n --manifests DIR --metrics 192.0.2.1:9099", "--metrics: listen"},
		{"too few connections", "--manifests DIR --connections 1", "--connections: 1 is out of range"},
		{"a log format nobody knows", "--manifests DIR --log-format xml", `--log-format: "xml": want text or json`},
		{"a log level nobody knows", "--manifests DIR --log-level loud", `--log-level: "loud": want debug`},
		{"a flag nobody knows", "--bogus", "unknown flag: --bogus"},
		{"a word too much", "start", `unexpected argument "start"`},
		{"a word too much for detach", "detach now", `unexpected argument "now"`},
		{"a relative pin directory for detach", "detach --pin bpf", "want an absolute directory"},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			args := strings.Fields(strings.NewReplacer("DIR", dir, "FILE", file, "CA", ca).Replace(tt.args))
			var out, errs bytes.Buffer
			code := run(t.Context(), testEnv(&out, &errs), args)
			if code != exitUsage || !strings.Contains(errs.String(), tt.want) || out.Len() > 0 {
				t.Errorf("got code %d and %q, want %d and %q", code, errs.String(), exitUsage, tt.want)
			}
		})
	}
}

// P23: the flag says what holds where the manifests say nothing.
func TestModeIsSetByFlag(t *testing.T) {
	for flag, want := range map[string]convert.Mode{"audit": convert.ModeAudit, "enforce": convert.ModeEnforce} {
		var out, errs bytes.Buffer
		var o options
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.register(flags)
		check(t, flags.Parse([]string{"--manifests", t.TempDir(), "--node", "n", "--mode", flag}))
		c, err := o.config(testEnv(&out, &errs))
		if got := c.settings().Mode; err != nil || got != want {
			t.Errorf("--mode %s: got %v and %v, want %v", flag, got, err, want)
		}
	}
}

// N8: who says nothing means the Services that clusters have, and our own.
func TestClusterDNSServices(t *testing.T) {
	for _, row := range []struct{ sentence, args, want string }{
		{"nothing is said", "--namespace dns", "[kube-system/kube-dns dns/nameward-dns]"},
		{"nothing is meant", "--cluster-dns-services=", "[]"},
		{"others are", "--cluster-dns-services openshift-dns/dns-default,a/b", "[openshift-dns/dns-default a/b]"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			var o options
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.register(flags)
			check(t, flags.Parse(append(strings.Fields(row.args), "--node", "n", "--manifests", t.TempDir())))
			c, err := o.config(testEnv(new(bytes.Buffer), new(bytes.Buffer)))
			if got := fmt.Sprint(c.dnsServices); err != nil || got != row.want {
				t.Errorf("got %s and %v, want %s", got, err, row.want)
			}
		})
	}
}

// N10, N15: flags about what names may lead to reach the Book, where the
// manifests say nothing, and the limit of a pod its table in the kernel.
func TestGuardAndLimitsAreSetByFlag(t *testing.T) {
	var out, errs bytes.Buffer
	var o options
	flags := pflag.NewFlagSet("enforcer", pflag.ContinueOnError)
	o.register(flags)
	args := strings.Fields("--node n --guard-in-cluster --nat64 2001:db8:64::/96 --guard-allow 10.0.0.0/8 --addresses-per-name 4000 --addresses-per-pod 20000 --manifests")
	if err := flags.Parse(append(args, t.TempDir())); err != nil {
		t.Fatal(err)
	}
	c, err := o.config(testEnv(&out, &errs))
	if err != nil {
		t.Fatal(err)
	}
	pod := netip.MustParseAddr("203.0.113.7")
	world := &policy.World{Pods: []*policy.Pod{{Addresses: []netip.Addr{pod}}}, LocalAddresses: []netip.Addr{netip.MustParseAddr("203.0.113.8")}}
	s := bookSettings(c.settings(), policy.Compile(world))
	if s.PerName != 4000 || s.PerPod != 20000 || grantsFor(c.perPod) <= 20000 || grantsFor(grants.DefaultPerPod) != 0 {
		t.Errorf("limits: got %d and %d, and tables of %d", s.PerName, s.PerPod, grantsFor(c.perPod))
	}
	for text, want := range map[string]bool{
		"203.0.113.7": true, "203.0.113.8": false, "10.0.0.1": true, "192.168.0.1": false,
		"2001:db8:64::198.51.100.7": true, "2001:db8:64::192.168.0.1": false,
	} {
		if refusal, refused := s.Guard.Check(netip.MustParseAddr(text)); refused == want {
			t.Errorf("%s: got %v, want it allowed: %v", text, refusal, want)
		}
	}
}

// selfSigned is a certificate in PEM.
func selfSigned(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func testEnv(out, errs *bytes.Buffer) env {
	return env{stdout: out, stderr: errs, hostname: func() (string, error) { return "", errors.New("none") }}
}

func TestNodeWithoutNameHasToBeNamed(t *testing.T) {
	var out, errs bytes.Buffer
	run(t.Context(), testEnv(&out, &errs), []string{"--manifests", t.TempDir()})
	if want := "--node: not given, and the host has no name"; !strings.Contains(errs.String(), want) {
		t.Errorf("got %q, want %q", errs.String(), want)
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	var out, errs bytes.Buffer
	run(t.Context(), testEnv(&out, &errs), []string{"--default", "x", "--pin", "y", "--log-level", "z"})
	for _, want := range []string{"--manifests", "--default", "--pin", "--log-level"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("got %q, want %s in it", errs.String(), want)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	tests := []struct{ sentence, args, want string }{
		{"help of the daemon", "--help", "--manifests string"},
		{"help of detach", "detach --help", "pods are then unprotected"},
		{"help of version", "version --help", "Print version"},
		{"version", "version", "enforcer "},
	}
	for _, tt := range tests {
		t.Run(tt.sentence, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(t.Context(), testEnv(&out, &errs), strings.Fields(tt.args))
			if code != exitClean || !strings.Contains(out.String(), tt.want) || errs.Len() > 0 {
				t.Errorf("got code %d, %q and %q, want 0 and %q", code, out.String(), errs.String(), tt.want)
			}
		})
	}
}

// asProgram has TestMain run the program itself, as a process of its own.
const asProgram = "NAMEWARD_TEST_AS_PROGRAM"

// program prepares the test's own binary to run as the enforcer.
func program(ctx context.Context, args ...string) *exec.Cmd {
	// The link leads to the binary also where its folder is closed to the
	// user that is to run it.
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func TestWithoutPrivilegeTheErrorSaysWhatIsNeeded(t *testing.T) {
	folder, err := os.MkdirTemp("", "manifests") // t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := program(t.Context(), "--manifests", folder, "--node", "n", "--pin", filepath.Join(folder, "pins"))
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		cmd.Dir = folder
	}
	got, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailure {
		t.Fatalf("got %v and %q, want exit code %d", err, got, exitFailure)
	}
	if want := datapath.ErrPrivilege.Error(); !strings.Contains(string(got), want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
