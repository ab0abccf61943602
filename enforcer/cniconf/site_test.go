package cniconf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"go.uber.org/goleak"

	"github.com/nameward/nameward/enforcer/chain"
)

// A test binary that finds these in its environment is an installer that is
// killed ahead of a step.
const (
	killAt    = "CNICONF_TEST_KILL_AT"
	killWhat  = "CNICONF_TEST_KILL_WHAT"
	killPlace = "CNICONF_TEST_KILL_PLACE"
)

const killed = 9

func TestMain(m *testing.M) {
	if os.Getenv(killAt) == "" {
		goleak.VerifyTestMain(m)
	}
	left, err := strconv.Atoi(os.Getenv(killAt))
	if err != nil {
		panic(err)
	}
	p := placeIn(os.Getenv(killPlace))
	stop := func(string) {
		if left--; left < 0 {
			os.Exit(killed)
		}
	}
	if os.Getenv(killWhat) == "install" {
		_, err = install(p, binaryIn(os.Getenv(killPlace)), testConfig, stop)
	} else {
		_, err = uninstall(p, stop)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func placeIn(dir string) Place {
	return Place{ConfDir: filepath.Join(dir, "net.d"), BinDir: filepath.Join(dir, "bin")}
}

func binaryIn(dir string) string { return filepath.Join(dir, "image-nameward-cni") }

// node makes the directories of a node with some files, and the plugins that
// they name.
func node(t *testing.T, configs map[string]string) (string, Place) {
	t.Helper()
	dir := t.TempDir()
	p := placeIn(dir)
	for _, d := range []string{p.ConfDir, p.BinDir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range configs {
		write(t, filepath.Join(p.ConfDir, name), text)
	}
	write(t, filepath.Join(p.BinDir, "ptp"), "ptp")
	write(t, filepath.Join(p.BinDir, "portmap"), "portmap")
	write(t, binaryIn(dir), strings.Repeat("program ", 10000))
	return dir, p
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// content is every file of a place: its text and permissions.
func content(t *testing.T, p Place) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, dir := range []string{p.ConfDir, p.BinDir} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.Base(dir)+"/"+e.Name()] = fmt.Sprintf("%v %s", info.Mode(), text)
		}
	}
	return all
}

// inUse is the configuration that a runtime would use, as containerd reads it.
func inUse(t *testing.T, p Place) *libcni.NetworkConfigList {
	t.Helper()
	files, err := libcni.ConfFiles(p.ConfDir, []string{".conf", ".conflist", ".json"})
	if err != nil || len(files) == 0 {
		t.Fatalf("got configurations %v, %v; want one", files, err)
	}
	slices.Sort(files)
	if strings.HasSuffix(files[0], ".conflist") {
		list, err := libcni.NetworkConfFromFile(files[0])
		if err != nil {
			t.Fatalf("%s: %v", files[0], err)
		}
		return list
	}
	//lint:ignore SA1019 runtimes read such files
	single, err := libcni.ConfFromFile(files[0])
	if err != nil {
		t.Fatalf("%s: %v", files[0], err)
	}
	//lint:ignore SA1019 as above
	list, err := libcni.ConfListFromConf(single)
	if err != nil {
		t.Fatalf("%s: %v", files[0], err)
	}
	return list
}

// startable fails the test unless every plugin of the configuration in use is
// there, whole.
func startable(t *testing.T, dir string, p Place) {
	t.Helper()
	for _, kind := range types(inUse(t, p)) {
		text, err := os.ReadFile(filepath.Join(p.BinDir, kind))
		if err != nil {
			t.Errorf("pods cannot start: %v", err)
		}
		if kind != chain.Plugin {
			continue
		}
		if want, _ := os.ReadFile(binaryIn(dir)); !bytes.Equal(text, want) {
			t.Errorf("pods cannot start: %s is not whole", kind)
		}
	}
}

const (
	theList   = "{\"cniVersion\": \"0.4.0\", \"name\": \"lab\",\n \"zeta\": 1.50, \"plugins\": [\n  {\"type\": \"ptp\", \"mtu\": 1500 },\n  {\"type\":\"portmap\"} ] }"
	theSingle = "{\n \"cniVersion\": \"0.3.1\", \"name\": \"lab\", \"type\": \"ptp\", \"x\" : [ ]}\n\n"
)

var nodes = []struct {
	name    string
	configs map[string]string
	used    string
}{
	{"a list", map[string]string{"10-lab.conflist": theList, "99-other.conflist": theList}, "10-lab.conflist"},
	{"a single plugin in a .conf", map[string]string{"10-lab.conf": theSingle, "20-b.conflist": theList}, "10-lab.conflist"},
	{"a single plugin in a .json", map[string]string{"10-lab.json": theSingle}, "10-lab.conflist"},
	{"files that runtimes do not read", map[string]string{"05-x.conflist.bak": "{", "README": "hello", "10-lab.conflist": theList}, "10-lab.conflist"},
}
