package scene

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// hidden is the environment variable of the process that has its own mounts.
const hidden = "NAMEWARD_SCENE_HIDDEN"

// Private is a file system of this process's own, in memory. It lies where the
// names of network namespaces are, so that nobody else sees them.
const Private = "/run/netns"

// HideMounts starts the program again, in the same process, inside a mount
// namespace of its own. The run's files, the BPF file system and the names of
// the network namespaces are there alone, so that the machine sees none of them
// and the kernel takes them away with the last process, however that ends.
func HideMounts() error {
	if os.Getenv(hidden) != "" {
		// Not for the programs that are started from here.
		return os.Unsetenv(hidden)
	}
	// The mount namespace is this thread's, and exec lets only this one live.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("create a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts private: %w", err)
	}
	if err := os.MkdirAll(Private, 0o755); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	if err := unix.Mount("tmpfs", Private, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0755"); err != nil {
		return fmt.Errorf("mount %s: %w", Private, err)
	}
	err := syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), hidden+"=1"))
	return fmt.Errorf("start again in the mount namespace: %w", err)
}
