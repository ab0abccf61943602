package cniconf

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nameward/nameward/enforcer/chain"
)

// D9: what Install does is done once, and Uninstall leaves what was there, to
// the byte.
func TestInstallAndUninstallD9(t *testing.T) {
	for _, n := range nodes {
		t.Run(n.name, func(t *testing.T) {
			dir, p := node(t, n.configs)
			before := content(t, p)
			changed, err := Install(p, binaryIn(dir), testConfig)
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{filepath.Join(p.BinDir, chain.Plugin), filepath.Join(p.ConfDir, n.used)}; !cmp.Equal(changed, want) {
				t.Errorf("changed %v, want %v", changed, want)
			}
			startable(t, dir, p)
			if kinds := types(inUse(t, p)); kinds[len(kinds)-1] != chain.Plugin {
				t.Errorf("plugins in use are %v, want %s as the last", kinds, chain.Plugin)
			}
			installed := content(t, p)
			if changed, err := Install(p, binaryIn(dir), testConfig); err != nil || changed != nil {
				t.Errorf("second Install changed %v, %v; want nothing", changed, err)
			}
			if diff := cmp.Diff(installed, content(t, p)); diff != "" {
				t.Errorf("second Install (-before +after):\n%s", diff)
			}
			if _, err := Uninstall(p); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, content(t, p)); diff != "" {
				t.Errorf("after Uninstall (-before +after):\n%s", diff)
			}
			if changed, err := Uninstall(p); err != nil || changed != nil {
				t.Errorf("second Uninstall changed %v, %v; want nothing", changed, err)
			}
		})
	}
}

// D9: an installer that is killed ahead of any of its steps leaves a node on
// which pods start, which the next one brings to the end, and from which
// nothing is left behind.
func TestKilledAtEachStepD9(t *testing.T) {
	for _, n := range nodes {
		for _, what := range []string{"install", "uninstall"} {
			t.Run(n.name+", "+what, func(t *testing.T) {
				steps := 0
				for ; ; steps++ {
					dir, p := node(t, n.configs)
					before := content(t, p)
					if what == "uninstall" {
						if _, err := Install(p, binaryIn(dir), testConfig); err != nil {
							t.Fatal(err)
						}
					}
					done := runKilled(t, what, dir, steps)
					startable(t, dir, p)
					if _, err := Install(p, binaryIn(dir), testConfig); err != nil {
						t.Fatalf("Install after step %d: %v", steps, err)
					}
					startable(t, dir, p)
					if !slices.Contains(types(inUse(t, p)), chain.Plugin) {
						t.Errorf("Install after step %d: the plugin is not in use", steps)
					}
					runKilled(t, what, dir, steps)
					startable(t, dir, p)
					if _, err := Uninstall(p); err != nil {
						t.Fatalf("Uninstall after step %d: %v", steps, err)
					}
					if diff := cmp.Diff(before, content(t, p)); diff != "" {
						t.Errorf("Uninstall after step %d (-before +after):\n%s", steps, diff)
					}
					if done {
						break
					}
				}
				if steps < 2 {
					t.Errorf("got %d steps, want 2 at least", steps)
				}
			})
		}
	}
}

// runKilled runs an installer that dies ahead of a step, and tells whether it
// has come to its end instead.
func runKilled(t *testing.T, what, dir string, step int) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killAt+"="+strconv.Itoa(step), killWhat+"="+what, killPlace+"="+dir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != killed) {
		t.Fatalf("%s killed at step %d: %v: %s", what, step, err, out)
	}
	return err == nil
}

func TestInstallReplacesAnOldBinary(t *testing.T) {
	dir, p := node(t, map[string]string{"10-lab.conflist": theList})
	for _, there := range []string{"older", strings.Repeat("program ", 10001), strings.Repeat("program ", 9999), strings.Repeat("program ", 9999) + "PROGRAM ", ""} {
		write(t, filepath.Join(p.BinDir, chain.Plugin), there)
		if _, err := Install(p, binaryIn(dir), testConfig); err != nil {
			t.Fatal(err)
		}
		startable(t, dir, p)
	}
}

// D9: a CNI that comes with a configuration of its own takes the place of ours.
func TestWhatTheCNIWritesWins(t *testing.T) {
	other := strings.Replace(theSingle, "lab", "new", 1)
	for _, c := range []struct {
		name           string
		writes, before map[string]string
		network        string
		after          map[string]string
	}{
		{"its single plugin's file, written again", map[string]string{"10-lab.conf": other}, map[string]string{"10-lab.conf": theSingle}, "new", map[string]string{"10-lab.conf": other}},
		{"a list in the place of the one made for it", map[string]string{"10-lab.conflist": strings.Replace(theList, "lab", "new", 1)},
			map[string]string{"10-lab.conf": theSingle}, "new", map[string]string{"10-lab.conflist": strings.Replace(theList, "lab", "new", 1)}},
		{"a list that comes first by name", map[string]string{"05-new.conflist": strings.Replace(theList, "lab", "new", 1)},
			map[string]string{"10-lab.conflist": theList}, "new", map[string]string{"05-new.conflist": strings.Replace(theList, "lab", "new", 1), "10-lab.conflist": theList}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, p := node(t, c.before)
			if _, err := Install(p, binaryIn(dir), testConfig); err != nil {
				t.Fatal(err)
			}
			for name, text := range c.writes {
				write(t, filepath.Join(p.ConfDir, name), text)
			}
			startable(t, dir, p)
			if _, err := Install(p, binaryIn(dir), testConfig); err != nil {
				t.Fatal(err)
			}
			if list := inUse(t, p); list.Name != c.network || !slices.Contains(types(list), chain.Plugin) {
				t.Errorf("network in use is %s with %v; want %s with %s", list.Name, types(list), c.network, chain.Plugin)
			}
			if _, err := Uninstall(p); err != nil {
				t.Fatal(err)
			}
			_, wanted := node(t, c.after)
			if diff := cmp.Diff(content(t, wanted), content(t, p)); diff != "" {
				t.Errorf("after Uninstall (-want +got):\n%s", diff)
			}
		})
	}
}

// D9: of what a CNI writes while its file is being changed nothing is lost.
func TestChangedAtTheSameTime(t *testing.T) {
	for _, c := range []struct{ name, file, text string }{
		{"a list", "10-lab.conflist", theList},
		{"a single plugin", "10-lab.conf", theSingle},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, p := node(t, map[string]string{c.file: c.text})
			path := filepath.Join(p.ConfDir, c.file)
			newer := strings.Replace(c.text, "lab", "newer", 1)
			written := false
			if _, err := install(p, binaryIn(dir), testConfig, func(step string) {
				if !written && (step == "name the plugin" || step == "set the single plugin aside") {
					written = true
					write(t, path+".tmp", newer)
					if err := os.Rename(path+".tmp", path); err != nil {
						t.Error(err)
					}
				}
			}); err != nil {
				t.Fatal(err)
			}
			if list := inUse(t, p); !written || list.Name != "newer" || !slices.Contains(types(list), chain.Plugin) {
				t.Errorf("network in use is %s with %v; want newer with %s", list.Name, types(list), chain.Plugin)
			}
			if _, err := Uninstall(p); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != newer {
				t.Errorf("after Uninstall: got %s, %v; want %s", got, err, newer)
			}
		})
	}
}

func TestInstallRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		configs map[string]string
		want    string
	}{
		{"no configuration yet", nil, ErrNoConfig.Error()},
		{"a broken one", map[string]string{"10-lab.conflist": "{"}, "10-lab.conflist: read JSON"},
		{"a list in a file for a single plugin", map[string]string{"10-lab.conf": theList}, "10-lab.conf: type is missing"},
		{"a list hidden by a single plugin's file", map[string]string{"10-lab.conf": theSingle, "10-lab.conflist": theList}, "is hidden from runtimes by"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, p := node(t, c.configs)
			_, err := Install(p, binaryIn(dir), testConfig)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if _, err := os.Stat(filepath.Join(p.BinDir, chain.Plugin)); err != nil {
				t.Errorf("the binary is to be there before: %v", err)
			}
		})
	}
}

// D9: as long as a configuration may name it, the binary stays.
func TestUninstallKeepsABinaryThatMayBeNamed(t *testing.T) {
	dir, p := node(t, map[string]string{"10-lab.conflist": theList})
	if _, err := Install(p, binaryIn(dir), testConfig); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.ConfDir, "10-lab.conflist")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text[:len(text)-1]))
	if _, err := Uninstall(p); err == nil || !strings.Contains(err.Error(), "the plugin stays") {
		t.Errorf("got %v, want an error that says the plugin stays", err)
	}
	if _, err := os.Stat(filepath.Join(p.BinDir, chain.Plugin)); err != nil {
		t.Error(err)
	}
}
