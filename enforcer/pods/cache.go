package pods

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// fact is what one source tells of one sandbox.
type fact struct {
	means     means
	at        time.Time
	container string
	// netns is the path of the sandbox's network namespace, or "".
	netns                string
	namespace, name, uid string
	// ends are the node's interfaces that may be it, likeliest first.
	ends      []end
	addresses []netip.Addr
	// source is the sentence's subject: who says so.
	source string
}

// end names one of the node's interfaces.
type end struct {
	name  string
	index int // 0: untold
	mac   string
}

// cacheFile is what libcni writes for each network of a sandbox
// (containernetworking/cni, libcni/api.go: cachedInfo), and in it the result
// of the plugins, CNI spec 0.3 to 1.1.
type cacheFile struct {
	Kind        string      `json:"kind"`
	ContainerID string      `json:"containerId"`
	IfName      string      `json:"ifName"`
	NetworkName string      `json:"networkName"`
	Netns       string      `json:"netns"`
	Args        [][2]string `json:"cniArgs"`
	Result      struct {
		Interfaces []struct {
			Name    string `json:"name"`
			Mac     string `json:"mac"`
			Sandbox string `json:"sandbox"`
		} `json:"interfaces"`
		IPs []struct {
			Address   string `json:"address"`
			Interface *int   `json:"interface"`
		} `json:"ips"`
	} `json:"result"`
}

// parseCache reads a file of libcni's result cache. ok is false for what is
// not about the interface podSide of a Kubernetes pod, such as its loopback.
func parseCache(text []byte, podSide string) (f fact, ok bool, err error) {
	var c cacheFile
	if err := json.Unmarshal(text, &c); err != nil {
		return f, false, fmt.Errorf("read a cached CNI result: %w", err)
	}
	if c.Kind != "cniCacheV1" || c.IfName != podSide || c.ContainerID == "" {
		return f, false, nil
	}
	f = fact{means: byCache, container: c.ContainerID, netns: c.Netns}
	for _, arg := range c.Args {
		switch arg[0] {
		case "K8S_POD_NAMESPACE":
			f.namespace = arg[1]
		case "K8S_POD_NAME":
			f.name = arg[1]
		case "K8S_POD_UID":
			f.uid = arg[1]
		}
	}
	if f.uid == "" && (f.namespace == "" || f.name == "") {
		return f, false, nil
	}
	c.interfaces(&f, podSide)
	return f, true, nil
}

// interfaces takes those of the node, and the pod's addresses. Those in the
// sandbox have a path there; AWS' plugin also lists what is no interface, with
// a number instead.
func (c *cacheFile) interfaces(f *fact, podSide string) {
	primary := -1
	for i, x := range c.Result.Interfaces {
		if strings.HasPrefix(x.Sandbox, "/") {
			if x.Name == podSide {
				primary = i
				if f.netns == "" {
					f.netns = x.Sandbox
				}
			}
			continue
		}
		f.ends = append(f.ends, end{name: x.Name, mac: strings.ToLower(x.Mac)})
	}
	for _, ip := range c.Result.IPs {
		prefix, err := netip.ParsePrefix(ip.Address)
		if err != nil || primary >= 0 && ip.Interface != nil && *ip.Interface != primary {
			continue
		}
		f.addresses = append(f.addresses, prefix.Addr().Unmap())
	}
}
