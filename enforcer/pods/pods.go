package pods

import (
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"path"
	"slices"
	"time"
)

// Pod is a pod of this node whose interface is wanted: with a network of its
// own (never a hostNetwork pod) and not completed.
type Pod struct {
	UID, Namespace, Name string
	// Addresses are those the API server knows, possibly none yet.
	Addresses []netip.Addr
}

// Interface is one of the node's, as of one moment.
type Interface struct {
	Name  string
	Index int
}

// Attachment is what a CNI plugin on the node tells of one pod.
type Attachment struct {
	// ContainerID is the sandbox's, unique on the node.
	ContainerID string
	// Netns is the path of the pod's network namespace, "" if untold.
	Netns                string
	Namespace, Name, UID string
	// Interface and IfIndex are the node's side. The index counts where both
	// are told, and at least one must be.
	Interface string
	IfIndex   int
	// Addresses are the pod's.
	Addresses []netip.Addr
}

// Located says where the pods are, as of one moment. Immutable.
type Located struct {
	// Interfaces has the one interface of each pod that was found, by UID.
	Interfaces map[string]Interface
	// Addresses are, by UID, those that a CNI plugin told, the API server
	// possibly not yet.
	Addresses map[string][]netip.Addr
	// Unknown look like pods' interfaces and are no wanted pod's. Sorted by
	// index.
	Unknown []Interface
	// Why has, by UID, a sentence for each pod that was not found, unless it
	// is too new to worry: what was tried, and what would help.
	Why map[string]string
	// Doubts has, by UID, a sentence for each pod that was found although
	// something weaker points elsewhere: a misconfiguration, or somebody who
	// claims another's address.
	Doubts map[string]string
}

func (l *Located) equal(o *Located) bool {
	return maps.Equal(l.Interfaces, o.Interfaces) && maps.EqualFunc(l.Addresses, o.Addresses, slices.Equal[[]netip.Addr]) &&
		slices.Equal(l.Unknown, o.Unknown) && maps.Equal(l.Why, o.Why) && maps.Equal(l.Doubts, o.Doubts)
}

// Config is how a Finder looks. The zero value looks at the kernel alone.
type Config struct {
	// Cache is libcni's directory, with results/ in it: /var/lib/cni.
	Cache string
	// Attachments is a directory of the finder's own, where it keeps what it
	// was told over a restart.
	Attachments string
	// Netns are directories where pods' namespaces are mounted, tried with the
	// last part of a namespace's path where the path as told is not visible.
	Netns []string
	// Pods and Ignore are patterns of interface names, as Patterns gives them:
	// unknown are only those that match one of Pods and none of Ignore. No
	// Pods means all.
	Pods, Ignore []string
	// NodeAddresses are those of this node's Node object, at the start.
	NodeAddresses []netip.Addr
	// PodSide is the name of a pod's own primary interface, eth0 if "".
	PodSide string
	Log     *slog.Logger
	Now     func() time.Time
}

func (c Config) whole() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.PodSide == "" {
		c.PodSide = "eth0"
	}
	if len(c.Pods) == 0 {
		c.Pods = []string{"*"}
	}
	return c
}

// Patterns checks patterns of interface names, such as eni*, as path.Match
// takes them.
func Patterns(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return fmt.Errorf("%q is no pattern of interface names: * stands for any characters, ? for one, [ab] for one of them", p)
		}
	}
	return nil
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}
