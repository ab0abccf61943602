package convert

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/nameward/nameward/enforcer/policy"
)

// selector gives nil, which matches everything, for an empty selector.
func selector(s *metav1.LabelSelector) (labels.Selector, error) {
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return nil, nil
	}
	compiled, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil, fmt.Errorf("not a label selector: %w", err)
	}
	return compiled, nil
}

// pair is the two selectors of a namespaced pod. A nil one matches everything.
type pair struct {
	namespaces, pods           *metav1.LabelSelector
	namespacesField, podsField string
}

// resolve understands what it can; field is the selector it cannot.
func (s pair) resolve() (out policy.PodSelector, field string, err error) {
	if s.namespaces != nil {
		if out.Namespaces, err = selector(s.namespaces); err != nil {
			field = s.namespacesField
		}
	}
	if s.pods != nil {
		var bad error
		if out.Pods, bad = selector(s.pods); bad != nil {
			field, err = s.podsField, bad
		}
	}
	return out, field, err
}

// peer gives the pods that both selectors match, within one namespace if that
// is not "".
func (r *report) podPeer(field, namespace string, s pair) policy.Peerage {
	pods, inside, err := s.resolve()
	if err != nil {
		return r.malformedPeer(field+"."+inside, err.Error())
	}
	pods.Namespace = namespace
	return policy.Peerage{Pods: &pods}
}

func (r *report) nodePeer(field string, s *metav1.LabelSelector) policy.Peerage {
	nodes, err := selector(s)
	if err != nil {
		return r.malformedPeer(field, err.Error())
	}
	if nodes == nil {
		nodes = labels.Everything()
	}
	return policy.Peerage{Nodes: nodes}
}
