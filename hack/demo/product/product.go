// Package product runs the real programs, CoreDNS with the plugin and the
// enforcer, on the scene's node: their files, command lines, logs and metrics.
// It knows how they are started and asked, and not what is expected of them.
package product

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nameward/nameward/hack/demo/scene"
)

// NodeName is what the node is called in the manifests.
const NodeName = "demo"

// Binaries are the programs' paths.
type Binaries struct{ CoreDNS, Enforcer string }

// Register adds the flags that take them.
func (b *Binaries) Register(f *flag.FlagSet) {
	f.StringVar(&b.CoreDNS, "coredns", "", "`path` of CoreDNS, built from ./plugin/coredns")
	f.StringVar(&b.Enforcer, "enforcer", "", "`path` of the enforcer, built from ./enforcer")
}

// Ready says in one sentence what the machine lacks to run them. Target is the
// make target that builds them.
func (b Binaries) Ready(target string) error {
	if os.Geteuid() != 0 {
		return errors.New("run as root: network namespaces and eBPF programs need it")
	}
	types, err := os.ReadFile("/proc/filesystems")
	if err == nil && !strings.Contains(string(types), "\tbpf\n") {
		return errors.New("this kernel has no BPF file system; use one with CONFIG_BPF_SYSCALL, 6.1 or newer")
	}
	for flag, path := range map[string]string{"coredns": b.CoreDNS, "enforcer": b.Enforcer} {
		if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return fmt.Errorf("-%s %q is no program; run `make %s`, which builds it, or give the path of one",
				flag, path, target)
		}
	}
	return nil
}

// Product owns the programs of one run and their folder.
type Product struct {
	binaries Binaries
	scene    *scene.Scene
	// folder holds the Corefiles, the manifests, the logs and a BPF file
	// system of this run's own.
	folder string
	// Zones are more lines for the server blocks of both CoreDNS: zones that
	// they answer, or ask of others. To be set before Start.
	Zones string

	coredns, hasty, enforcer *Process
	// others were started by Serve.
	others []*Process
}

// Timings of the run: short, so that expiry can be watched.
const (
	minTTL = "2s"
	grace  = "1s"
)

// MetricsAddress is where the enforcer serves its metrics on the node.
const MetricsAddress = "127.0.0.1:9099"

// New prepares the folder, which exists and is empty. After an error nothing
// is left in it that needs removing.
func New(s *scene.Scene, folder string, binaries Binaries) (*Product, error) {
	p := &Product{scene: s, folder: folder, binaries: binaries}
	for _, dir := range []string{bpffs(p.folder), p.Manifests()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, fmt.Errorf("create folder: %w", err)
		}
	}
	if err := p.writeWorld(); err != nil {
		return nil, err
	}
	if err := MountBPF(bpffs(p.folder)); err != nil {
		return nil, err
	}
	return p, nil
}

// MountBPF mounts a BPF file system of its own at the folder.
func MountBPF(at string) error {
	if err := unix.Mount("bpf", at, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("mount a BPF file system at %s (the kernel needs CONFIG_BPF_SYSCALL): %w", at, err)
	}
	return nil
}

// Folder is where the Corefiles, the logs and the manifests are.
func (p *Product) Folder() string { return p.folder }

// Manifests is the folder that the enforcer watches.
func (p *Product) Manifests() string { return filepath.Join(p.folder, "manifests") }

// Pins is where the enforcer keeps what outlives it.
func (p *Product) Pins() string { return filepath.Join(bpffs(p.folder), "nameward") }

// bpffs is where a run mounts a BPF file system of its own.
func bpffs(folder string) string { return filepath.Join(folder, "bpf") }

// Socket is the URL of a unix socket in the run's folder.
func (p *Product) Socket(of string) string {
	return "unix://" + filepath.Join(p.folder, of+".sock")
}

// Start starts both CoreDNS and the enforcer and waits until they are ready.
func (p *Product) Start(ctx context.Context) (err error) {
	if p.coredns, err = p.startCoreDNS("coredns", scene.ClusterDNS, "250ms", 0); err != nil {
		return err
	}
	if p.hasty, err = p.startCoreDNS("coredns-hold-off", scene.HastyDNS, "0", 1); err != nil {
		return err
	}
	// A replica is ready before any enforcer has come.
	if err := errors.Join(p.coredns.AwaitReady(ctx), p.hasty.AwaitReady(ctx)); err != nil {
		return err
	}
	return p.StartEnforcer(ctx)
}

// startCoreDNS starts the nth CoreDNS, counted from 0.
func (p *Product) startCoreDNS(name string, addresses scene.Dual, hold string, nth int) (*Process, error) {
	corefile := filepath.Join(p.folder, name+".Corefile")
	ready := fmt.Sprintf("127.0.0.1:%d", 8181+nth)
	text := fmt.Sprintf(`.:53 {
    bind %[1]s %[2]s
    nameward {
        listen %[3]s
        hold %[4]s
    }
    errors
    ready %[5]s
    health 127.0.0.1:%[6]d
    prometheus 127.0.0.1:%[7]d
    hosts {
        %[8]s %[10]s
        %[9]s %[10]s
        fallthrough
    }
    cache 30 {
        # The plugin's floor of 5 seconds would hide the expiry of short names.
        success 9984 30 0
    }
%[12]s    forward . %[11]s
}
`, addresses.V4, addresses.V6, p.Socket(name), hold, ready, 8080+nth, 9153+nth,
		scene.BackendService.V4, scene.BackendService.V6, scene.Backend.Name, scene.Authority.V4, p.Zones)
	if err := os.WriteFile(corefile, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("write Corefile: %w", err)
	}
	return Launch(p.scene.Node, p.log(name), "http://"+ready+"/ready", p.binaries.CoreDNS, "-conf", corefile)
}

// StartEnforcer starts the enforcer, again after KillEnforcer.
func (p *Product) StartEnforcer(ctx context.Context) (err error) {
	dns := []string{
		scene.ClusterDNS.V4.String(), scene.ClusterDNS.V6.String(),
		scene.HastyDNS.V4.String(), scene.HastyDNS.V6.String(),
	}
	return p.Enforce(ctx,
		"--dns", p.Socket("coredns"),
		"--dns", p.Socket("coredns-hold-off"),
		"--cluster-dns", strings.Join(dns, ","),
		"--min-ttl", minTTL,
		"--grace", grace,
	)
}

// Enforce starts the enforcer with these flags besides those for the run's
// folder and node, and waits until it is ready.
func (p *Product) Enforce(ctx context.Context, flags ...string) (err error) {
	own := []string{"--manifests", p.Manifests(), "--node", NodeName, "--pin", p.Pins(), "--metrics", MetricsAddress}
	p.enforcer, err = Launch(p.scene.Node, p.log("enforcer"), "http://"+MetricsAddress+"/readyz",
		p.binaries.Enforcer, append(own, flags...)...)
	if err != nil {
		return err
	}
	return p.enforcer.AwaitReady(ctx)
}

// Serve starts a CoreDNS of the caller's own on the node and waits until it is
// ready. ready is the address of its ready plugin, name that of its log.
func (p *Product) Serve(ctx context.Context, name, corefile, ready string) error {
	path := filepath.Join(p.folder, name+".Corefile")
	if err := os.WriteFile(path, []byte(corefile), 0o644); err != nil {
		return fmt.Errorf("write Corefile: %w", err)
	}
	process, err := Launch(p.scene.Node, p.log(name), "http://"+ready+"/ready", p.binaries.CoreDNS, "-conf", path)
	if err != nil {
		return err
	}
	p.others = append(p.others, process)
	return process.AwaitReady(ctx)
}

// EnforcerRuns says whether there is an enforcer to ask.
func (p *Product) EnforcerRuns() bool { return p.enforcer.Running() }

// KillEnforcer ends the enforcer with SIGKILL.
func (p *Product) KillEnforcer() { p.enforcer.Kill() }

// Counters reads the enforcer's verdict counters.
func (p *Product) Counters(ctx context.Context) (Counters, error) {
	page, err := p.Metrics(ctx, MetricsAddress)
	if err != nil {
		return nil, fmt.Errorf("read the enforcer's metrics: %w", err)
	}
	return ParseCounters(bytes.NewReader(page))
}

// Metrics reads a page of metrics that a program serves on the node.
func (p *Product) Metrics(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := webClient(p.scene.Node).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s says %s", request.URL, response.Status)
	}
	return io.ReadAll(response.Body)
}

// Tails returns the ends of all logs.
func (p *Product) Tails() string {
	var tails []string
	for _, process := range append([]*Process{p.coredns, p.hasty, p.enforcer}, p.others...) {
		if process != nil {
			tails = append(tails, process.Tail())
		}
	}
	return strings.Join(tails, "\n")
}

// Close ends the programs and takes the BPF file system away, and with it the
// last hold on the programs in the kernel.
func (p *Product) Close() error {
	for _, process := range append([]*Process{p.enforcer, p.hasty, p.coredns}, p.others...) {
		if process != nil {
			process.Stop()
		}
	}
	return Remove(p.folder)
}

// Remove takes away the BPF file system in a run's folder, if there is one.
func Remove(folder string) error { return UnmountBPF(bpffs(folder)) }

// UnmountBPF takes away the BPF file system at the folder, if there is one.
func UnmountBPF(at string) error {
	err := unix.Unmount(at, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(at, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", at, err)
	}
	return nil
}

func (p *Product) log(of string) string { return filepath.Join(p.folder, of+".log") }

// EnforcerPID is the process that Start or StartEnforcer started.
func (p *Product) EnforcerPID() int { return p.enforcer.cmd.Process.Pid }
