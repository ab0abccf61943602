package scenario

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/nameward/nameward/hack/demo/product"
)

// TestMain: a run leaves nothing behind, in this process either.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTable plays the whole table against CoreDNS and the enforcer as they are
// built: N1, N2, N3, N4, N5, N9, N10, N11, N14, N15 and N18.
func TestTable(t *testing.T) {
	var out bytes.Buffer
	total, err := Run(t.Context(), t.TempDir(), programs(t), &out)
	t.Log("\n" + out.String())
	if err != nil {
		t.Fatal(err)
	}
	if total.Failed > 0 || total.Passed < len(Table()) {
		t.Errorf("rows: got %d as wanted and %d not, want %d and none", total.Passed, total.Failed, len(Table()))
	}
}

// programs builds the product.
func programs(t *testing.T) product.Binaries {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("NAMEWARD_REQUIRE_BPF") != "" {
			t.Fatal("network namespaces and eBPF need root, which NAMEWARD_REQUIRE_BPF promises")
		}
		t.Skip("needs root: network namespaces and eBPF")
	}
	folder := t.TempDir()
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", folder+"/", "../../../plugin/coredns", "../../../enforcer")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	return product.Binaries{CoreDNS: filepath.Join(folder, "coredns"), Enforcer: filepath.Join(folder, "enforcer")}
}
