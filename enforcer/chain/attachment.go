package chain

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
)

// Limits of an attachment. Names of pods and namespaces are DNS names (RFC
// 1123), 253 bytes at most; an interface name is below IFNAMSIZ.
const (
	maxID        = 253
	maxName      = 253
	maxNetns     = 4096
	maxInterface = 15
	maxAddresses = 64
)

// Attachment is a pod's interface as the CNI chain made it.
type Attachment struct {
	// ContainerID is the runtime's name of the pod's sandbox; Del and GC
	// name an attachment by it.
	ContainerID string `json:"containerID"`
	// Netns is the path of the pod's network namespace on the host.
	Netns string `json:"netns"`
	// Namespace, Name and UID are the pod's. UID is "" where the runtime
	// does not tell it.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
	// Interface and IfIndex are the host's end of the pod's interface.
	Interface string `json:"interface"`
	IfIndex   int    `json:"ifIndex"`
	// Addresses are the pod's, of all families, without zones and none
	// mapped to IPv6; empty where the chain gives none.
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// String names the pod as people do.
func (a Attachment) String() string {
	return fmt.Sprintf("%s/%s (container %s)", a.Namespace, a.Name, a.ContainerID)
}

// Validate returns an error that names the first field that cannot be true.
func (a Attachment) Validate() error {
	if err := validateID(a.ContainerID); err != nil {
		return err
	}
	checks := []struct {
		ok    bool
		field string
		value any
		want  string
	}{
		{filepath.IsAbs(a.Netns) && plain(a.Netns, maxNetns), "netns", a.Netns, "an absolute path"},
		{plainName(a.Namespace, maxName), "namespace", a.Namespace, "the namespace of a pod"},
		{plainName(a.Name, maxName), "name", a.Name, "the name of a pod"},
		{a.UID == "" || plainName(a.UID, maxID), "uid", a.UID, "the UID of a pod, or nothing"},
		{plainName(a.Interface, maxInterface), "interface", a.Interface, "the name of an interface, 15 bytes at most"},
		{a.IfIndex > 0, "ifIndex", a.IfIndex, "a number above 0"},
		{len(a.Addresses) <= maxAddresses, "addresses", len(a.Addresses), fmt.Sprintf("at most %d", maxAddresses)},
	}
	for _, c := range checks {
		if !c.ok {
			return fmt.Errorf("%s is %.80q; want %s", c.field, fmt.Sprint(c.value), c.want)
		}
	}
	for _, address := range a.Addresses {
		if !address.IsValid() || address.Zone() != "" || address.Is4In6() || address.IsUnspecified() {
			return fmt.Errorf("address %q is none that a pod can have", address)
		}
	}
	return nil
}

// validateID holds a container's name to the characters of the CNI spec, so
// that it can neither be a path nor break a log line.
func validateID(id string) error {
	if id == "" || len(id) > maxID {
		return fmt.Errorf("containerID has %d bytes; want 1 to %d", len(id), maxID)
	}
	for i, c := range []byte(id) {
		if !alphanumeric(c) && (i == 0 || !strings.ContainsRune("_.-", rune(c))) {
			return errors.New("containerID begins with a letter or digit, and has only these, _, . and - (CNI spec, parameters)")
		}
	}
	return nil
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// plain is printable ASCII without blanks, of a length from 1 to longest.
func plain(s string, longest int) bool {
	return s != "" && len(s) <= longest && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// plainName is plain and no path.
func plainName(s string, longest int) bool {
	return plain(s, longest) && !strings.Contains(s, "/") && s != "." && s != ".."
}
