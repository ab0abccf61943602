package main

import (
	"fmt"
	"strings"
)

// Policies of the scenarios, as short texts. Selectors are YAML in braces.

// networkPolicy is one of networking.k8s.io/v1; each rule is YAML.
func networkPolicy(namespace, name, podSelector string, ingress, egress []string) string {
	return namespaced("networking.k8s.io/v1", "NetworkPolicy", namespace, name, podSelector, ingress, egress)
}

// applicationNetworkPolicy is one of networking.k8s.aws/v1alpha1.
func applicationNetworkPolicy(namespace, name, podSelector string, ingress, egress []string) string {
	return namespaced("networking.k8s.aws/v1alpha1", "ApplicationNetworkPolicy", namespace, name, podSelector, ingress, egress)
}

// namespaced isolates for the directions whose rules are not nil.
func namespaced(api, kind, namespace, name, podSelector string, ingress, egress []string) string {
	var types []string
	rules := ""
	if ingress != nil {
		types = append(types, "Ingress")
		rules += "  ingress: [" + strings.Join(ingress, ", ") + "]\n"
	}
	if egress != nil {
		types = append(types, "Egress")
		rules += "  egress: [" + strings.Join(egress, ", ") + "]\n"
	}
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec:\n  podSelector: %s\n  policyTypes: [%s]\n%s",
		api, kind, name, namespace, podSelector, strings.Join(types, ", "), rules)
}

// clusterNetworkPolicy is one of policy.networking.k8s.io/v1alpha2, for the pods
// of a namespace; the rules are YAML as well.
func clusterNetworkPolicy(name, tier string, priority int, namespace, ingress, egress string) string {
	text := fmt.Sprintf("apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: %s, labels: {nameward.io/e2e: \"true\"}}\n"+
		"spec:\n  tier: %s\n  priority: %d\n  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: %s}}}\n", name, tier, priority, namespace)
	if ingress != "" {
		text += "  ingress: [" + ingress + "]\n"
	}
	if egress != "" {
		text += "  egress: [" + egress + "]\n"
	}
	return text
}

// everyPod and nobody are a selector and a list of rules.
const everyPod = "{}"

var nobody = []string{}

func podLabel(key, value string) string {
	return fmt.Sprintf("{matchLabels: {%s: %s}}", key, value)
}
