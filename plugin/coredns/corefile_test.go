package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	clog "github.com/coredns/coredns/plugin/pkg/log"

	"github.com/miekg/dns"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/nameward/nameward/plugin/internal/apiserver/apitest"
	"github.com/nameward/nameward/plugin/internal/enforcertest"
)

// run is set where this test binary is to be the program itself.
const run = "NAMEWARD_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(run) != "" {
		main()
		return
	}
	clog.Discard()
	caddy.Quiet, dnsserver.Quiet = true, true
	upstreamDirectives = dnsserver.Directives
	if err := dnsserver.SetDirectives(directives); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestShippedCorefiles starts each file of corefile/ as it is but for what
// belongs to a machine: ports, addresses, paths, and the API server.
func TestShippedCorefiles(t *testing.T) {
	files, err := filepath.Glob("../../corefile/*.Corefile")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 4 {
		t.Fatalf("found %v, want the Corefiles that we ship", files)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			alone(t, func() { startCorefile(t, file, string(content)) })
		})
	}
}

// TestDeployedCorefiles starts those that deploy/manifests give to clusters; the
// chart renders the same.
func TestDeployedCorefiles(t *testing.T) {
	for _, name := range []string{"nameward.yaml", "node-local.yaml"} {
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile("../../deploy/manifests/" + name)
			if err != nil {
				t.Fatal(err)
			}
			corefile := deployed(t, content)
			if !strings.Contains(corefile, "nameward {") {
				t.Fatalf("got no Corefile with the plugin, but %q", corefile)
			}
			alone(t, func() { startCorefile(t, name, corefile) })
		})
	}
}

// deployed is the Corefile of the ConfigMap that CoreDNS's pods mount.
func deployed(t *testing.T, manifests []byte) string {
	t.Helper()
	for reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests))); ; {
		document, err := reader.Read()
		if err != nil {
			return ""
		}
		var c core.ConfigMap
		if sigsyaml.Unmarshal(document, &c) == nil && c.Kind == "ConfigMap" && c.Name == "nameward-corefile" {
			return c.Data["Corefile"]
		}
	}
}

var snippet = regexp.MustCompile("(?s)\n~~~ corefile\n(.*?)\n~~~\n")

// TestReadme starts each Corefile of the man page, and checks its sections.
func TestReadme(t *testing.T) {
	content, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, section := range []string{"# nameward\n", "## Name\n", "## Description\n", "## Syntax\n", "## Metrics\n", "## Ready\n", "## Examples\n", "## Bugs\n", "## See Also\n"} {
		i := strings.Index(string(content[at:]), section)
		if i < 0 {
			t.Fatalf("no section %q, or not in its place", strings.TrimSpace(section))
		}
		at += i
	}
	snippets := snippet.FindAllStringSubmatch(string(content), -1)
	if len(snippets) < 4 {
		t.Fatalf("found %d Corefiles, want the man page's examples", len(snippets))
	}
	for i, s := range snippets {
		t.Run(fmt.Sprintf("example %d", i+1), func(t *testing.T) {
			alone(t, func() { startCorefile(t, "README.md", s[1]) })
		})
	}
}

// inChild is set where this test binary runs one test for its parent.
const inChild = "NAMEWARD_TEST_ALONE"

// alone runs a test in a process of its own: at each start, the kubernetes plugin
// replaces the logger of the process, which what is left of the one before may
// be using.
func alone(t *testing.T, f func()) {
	t.Helper()
	if os.Getenv(inChild) != "" {
		f()
		return
	}
	var path []string
	for _, name := range strings.Split(t.Name(), "/") {
		path = append(path, "^"+regexp.QuoteMeta(name)+"$")
	}
	child := exec.Command(os.Args[0], "-test.v", "-test.run="+strings.Join(path, "/"))
	child.Env = append(os.Environ(), inChild+"=1")
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// startCorefile starts, asks each server something, and stops.
func startCorefile(t *testing.T, path, content string) {
	t.Helper()
	before := dnsserver.Port
	dnsserver.Port = "0"
	defer func() { dnsserver.Port = before }()
	content = here(t, content)
	instance, err := caddy.Start(caddy.CaddyfileInput{Filepath: path, Contents: []byte(content), ServerTypeName: "dns"})
	if err != nil {
		t.Fatalf("%v, in:\n%s", err, content)
	}
	defer func() {
		instance.Stop()
		for _, err := range instance.ShutdownCallbacks() {
			t.Error(err)
		}
	}()
	for _, listener := range instance.Servers() {
		_, port, err := net.SplitHostPort(listener.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		client := &dns.Client{Timeout: time.Second}
		enforcertest.Await(t, "the server answers", func() bool {
			_, _, err := client.Exchange(new(dns.Msg).SetQuestion("version.bind.", dns.TypeTXT), net.JoinHostPort("127.0.0.1", port))
			return err == nil
		})
	}
}

// here moves a Corefile to this machine and this moment.
func here(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	enforcertest.NewAuthority(t).Write(dir, "coredns")
	t.Setenv("CLUSTER_DNS", "127.0.0.1:53")
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403}`))
	}))
	t.Cleanup(api.Close)
	content = regexp.MustCompile(`:(53|8080|8181|9153|9253|7353)\b`).ReplaceAllString(content, ":0")
	return strings.NewReplacer(
		"/run/nameward", dir,
		"/etc/nameward/tls", dir,
		"169.254.20.10", "127.0.0.1",
		"lameduck 5s", "lameduck 1ms",
		"verify_pods", "verify_pods\n kubeconfig "+apitest.Start(t).Kubeconfig(),
		"pods insecure", "pods insecure\n endpoint "+api.URL+"\n startup_timeout 1ms",
	).Replace(content)
}
