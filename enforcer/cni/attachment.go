package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/nameward/nameward/enforcer/chain"
)

// codeNoHostEnd is the plugin's own error (CNI spec: 100 and above): there is
// no interface on the host at which this pod could be filtered.
const codeNoHostEnd = 100

func parseConfig(args *skel.CmdArgs) (chain.Config, error) {
	config, err := chain.ParseConfig(args.StdinData)
	if err != nil {
		return config, types.NewError(types.ErrInvalidNetworkConfig, chain.Plugin+": "+err.Error(), "")
	}
	return config, nil
}

// result is what the chain has made so far.
type result struct {
	raw     json.RawMessage
	version string
	own     types.Result
	*types100.Result
}

// read returns the configuration and the result of the plugins before.
func read(args *skel.CmdArgs) (chain.Config, result, error) {
	config, err := parseConfig(args)
	if err != nil {
		return config, result{}, err
	}
	invalid := func(text string) (chain.Config, result, error) {
		return config, result{}, types.NewError(types.ErrInvalidNetworkConfig, text, "")
	}
	var said struct {
		Raw json.RawMessage `json:"prevResult"`
	}
	var conf types.PluginConf
	if err := json.Unmarshal(args.StdinData, &said); err != nil {
		return invalid("read configuration: " + err.Error())
	}
	if len(said.Raw) == 0 || bytes.Equal(said.Raw, []byte("null")) {
		return invalid("prevResult is missing: " + chain.Plugin + " makes no interface of its own; put it behind the node's plugin, last in plugins of a .conflist")
	}
	if err := json.Unmarshal(args.StdinData, &conf); err != nil {
		return invalid("read configuration: " + err.Error())
	}
	if err := version.ParsePrevResult(&conf); err != nil {
		return invalid("read prevResult: " + err.Error())
	}
	today, err := types100.NewResultFromResult(conf.PrevResult)
	if err != nil {
		return invalid("read prevResult: " + err.Error())
	}
	return config, result{raw: said.Raw, version: conf.CNIVersion, own: conf.PrevResult, Result: today}, nil
}

// print hands the result on byte for byte: plugins before may have said what
// the specification does not know. Only where it is of another version than
// the configuration is it written anew.
func (r result) print(w io.Writer) error {
	var said struct {
		Version string `json:"cniVersion"`
	}
	if err := json.Unmarshal(r.raw, &said); err != nil || said.Version != r.version {
		return types.PrintResult(r.own, r.version)
	}
	_, err := w.Write(append(bytes.Clone(r.raw), '\n'))
	return err
}

// addresses are those of the result, of all families.
func (r result) addresses() []netip.Addr {
	var all []netip.Addr
	for _, ip := range r.IPs {
		if a, ok := netip.AddrFromSlice(ip.Address.IP); ok {
			all = append(all, a.Unmap())
		}
	}
	return all
}

// podArgs are what Kubernetes runtimes say in CNI_ARGS.
type podArgs struct {
	types.CommonArgs
	K8S_POD_NAMESPACE, K8S_POD_NAME, K8S_POD_UID types.UnmarshallableString
}

// attachment puts together what the enforcer is told.
func attachment(args *skel.CmdArgs, r result) (chain.Attachment, error) {
	pod := podArgs{CommonArgs: types.CommonArgs{IgnoreUnknown: true}}
	if err := types.LoadArgs(args.Args, &pod); err != nil {
		return chain.Attachment{}, types.NewError(types.ErrInvalidEnvironmentVariables, "read CNI_ARGS: "+err.Error(), "")
	}
	if pod.K8S_POD_NAMESPACE == "" || pod.K8S_POD_NAME == "" {
		return chain.Attachment{}, types.NewError(types.ErrInvalidEnvironmentVariables,
			"CNI_ARGS names no pod; want K8S_POD_NAMESPACE and K8S_POD_NAME, as Kubernetes' runtimes set them", "")
	}
	end, err := hostEnd(args, r.Result)
	if err != nil {
		return chain.Attachment{}, types.NewError(codeNoHostEnd, "find the host's end of "+args.IfName+": "+err.Error(), "")
	}
	a := chain.Attachment{
		ContainerID: args.ContainerID, Netns: args.Netns,
		Namespace: string(pod.K8S_POD_NAMESPACE), Name: string(pod.K8S_POD_NAME), UID: string(pod.K8S_POD_UID),
		Interface: end.Name, IfIndex: end.Index, Addresses: r.addresses(),
	}
	if err := a.Validate(); err != nil {
		return chain.Attachment{}, types.NewError(types.ErrInvalidNetworkConfig, err.Error(), "")
	}
	return a, nil
}
