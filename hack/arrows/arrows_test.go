package arrows

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/nameward/nameward/"

// ban forbids packages below from to import, directly or through others,
// anything below to.
type ban struct {
	from, to, why string
	except        []string
}

var bans = []ban{
	{"plugin", module + "enforcer", "DNS must not depend on enforcement", nil},
	{"plugin", module + "bpf", "the plugin runs where no eBPF does", nil},
	{"plugin", "github.com/cilium/ebpf", "the plugin runs where no eBPF does", nil},
	{"plugin", "k8s.io/client-go", "the enforcers tell the plugin what to watch; only who they are is asked of an API server, and only by plugin/internal/apiserver",
		[]string{"plugin", "plugin/coredns", "plugin/internal/apiserver"}},
	{"enforcer", "github.com/coredns", "the enforcer shares a contract with the plugin, no code of CoreDNS", nil},
	{"enforcer", module + "plugin/internal", "the contract is plugin/stream", nil},
	{"bpf", module + "enforcer", "what crosses into the kernel does not decide when", nil},
	{"bpf", module + "plugin", "the kernel's side knows no DNS", nil},
	{"enforcer/policy", "github.com/cilium/ebpf", "the compiler is pure", nil},
	{"enforcer/policy", "google.golang.org/grpc", "the compiler is pure", nil},
	{"enforcer/policy", "k8s.io/client-go", "a folder of files and an API server lead to the same model", nil},
	{"enforcer/grants", "github.com/cilium/ebpf", "lifetimes are pure; the clock is passed in", nil},
	{"enforcer/grants", "google.golang.org/grpc", "lifetimes are pure; the clock is passed in", nil},
	{"enforcer/cni", "k8s.io/client-go", "the CNI plugin runs for every pod's start: it is small, and knows only what the runtime tells it", nil},
	{"enforcer/cni", "k8s.io/api/", "the CNI plugin is small", nil},
	{"enforcer/cni", "google.golang.org/grpc", "the CNI plugin is small", nil},
	{"enforcer/chain", "github.com/containernetworking", "the protocol is apart from CNI's results", nil},
	{"enforcer/chain", module + "enforcer/policy", "how an interface is told of is apart from what is done with it", nil},
	{"enforcer/cniconf", module + "enforcer/policy", "a configuration is put in place without knowing what for", nil},
	{"plugin/names", module + "plugin/stream", "names are pure", nil},
	{"plugin/names", "github.com/miekg/dns", "names are pure", nil},
}

// only lists what just one place may import directly.
var only = []struct{ what, where, why string }{
	{module + "bpf", "enforcer/datapath", "one package knows how the kernel's tables are written"},
	{"github.com/cilium/ebpf", "enforcer/datapath bpf", "one package knows how the kernel's tables are written"},
	{module + "enforcer/datapath", "enforcer enforcer/cni", "the daemon wires the planes; while it is away, nameward-cni shuts interfaces"},
	{"k8s.io/client-go", "plugin/internal/apiserver enforcer/kube enforcer/report enforcer/removal", "sessions, answers and what is enforced must not know the API"},
}

type pkg struct {
	ImportPath, Dir string
	GoFiles         []string
	Imports, Deps   []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		all = append(all, p)
	}
}

func below(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func (p pkg) folder() string { return strings.TrimPrefix(p.ImportPath, module) }

func TestImportDirection(t *testing.T) {
	all := list(t)
	for _, b := range bans {
		known := false
		for _, p := range all {
			if !below(p.folder(), b.from) || slices.Contains(b.except, p.folder()) {
				continue
			}
			known = true
			for _, dep := range p.Deps {
				if below(dep, b.to) {
					t.Errorf("%s depends on %s: %s", p.folder(), dep, b.why)
				}
			}
		}
		if !known {
			t.Errorf("no package below %s: the ban on %s guards nothing", b.from, b.to)
		}
	}
}

func TestOnlyImporters(t *testing.T) {
	for _, p := range list(t) {
		for _, o := range only {
			if below(p.folder(), "hack") || slices.Contains(strings.Fields(o.where), p.folder()) {
				continue
			}
			for _, i := range p.Imports {
				if below(i, o.what) && !below(p.ImportPath, o.what) {
					t.Errorf("%s imports %s, which is for %s: %s", p.folder(), i, o.where, o.why)
				}
			}
		}
	}
}

// TestPackageComments: one comment per package, in one file, that says something.
func TestPackageComments(t *testing.T) {
	for _, p := range list(t) {
		comments := 0
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil,
				parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil && len(f.Doc.Text()) > 40 {
				comments++
			}
		}
		if len(p.GoFiles) > 0 && comments != 1 {
			t.Errorf("%s: got %d package comments, want 1 that says what it knows", p.folder(), comments)
		}
	}
}
