package kube

import (
	"cmp"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// mirror is what the API has of a static pod. Its kubelet runs that under a UID of
// its own making, which the runtime and so CNI are told, and makes an object of
// the same name, whose UID nobody on the node knows. The pod that runs is the one
// of the former: it goes on when somebody deletes the mirror and the kubelet makes
// another, and kubectl looks for a static pod's Events by it, too.
//
// Which pod is mirrored an annotation says, and whoever may create pods may write
// that: NodeRestriction holds nodes to mirrors of their own, and others to
// nothing. The API server wants spec.nodeName beside it, lets nobody add or change
// it later, and refuses service accounts and secrets (ValidatePodSpecificAnnotationUpdates
// in pkg/apis/core/validation, plugin/pkg/admission/{noderestriction,serviceaccount}).
// An owner, which a kubelet's mirrors have in their node, anybody can write as well.
// So what an object says of itself makes it a static pod only
//   - on the node that it names;
//   - by a UID of a kubelet's making, and that no object of the API has;
//   - if no other says the same that is older and stays: a kubelet deletes the
//     mirrors of what it does not run (HandlePodCleanups in pkg/kubelet);
//   - in its own name: the UID and the name that CNI is told are the same pod's
//     (enforcer/pods), so that nobody's policy is at another's interface.
//
// What is left is a pod of the static pod's namespace and name, made before the
// kubelet makes its mirror. The kubelet takes that for its mirror, too.
type mirror struct {
	// of is the static pod's UID, own the object's.
	of, own string
	// since orders those of one static pod; see identify.
	since int64
}

// staticUID is a kubelet's: a digest of the pod's file in hexadecimal. Those that
// an API server gives have dashes (RFC 9562). Where somebody wrote a UID of his own
// into the file, the mirror's stays.
var staticUID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// mirrorOf is nil for what is no mirror.
func mirrorOf(p *corev1.Pod) *mirror {
	uid := p.Annotations[corev1.MirrorPodAnnotationKey]
	if !staticUID.MatchString(uid) {
		return nil
	}
	m := &mirror{of: uid, own: string(p.UID), since: p.CreationTimestamp.Unix()}
	if p.DeletionTimestamp != nil {
		m.since += stays
	}
	return m
}

// reflection is a pod that says that it is a mirror. Few do: of pods there are
// 100,000, which are not made larger for that.
type reflection struct {
	*pod
	mirror mirror
}

// parts are those of an item: mirror is nil for what says nothing of that.
func parts(it item) (*pod, *mirror) {
	if r, is := it.(*reflection); is {
		return r.pod, &r.mirror
	}
	return it.(*pod), nil
}

// same says whether the pod at a place is this one, but for its claim, and for
// which UID a mirror goes by.
func (s *pods) same(at int32, p *pod, m *mirror) bool {
	old, said := s.all[at], s.said[at]
	if m == nil || said == nil {
		return m == said && old.Ref == p.Ref && old.same(p)
	}
	return *m == *said && old.same(p)
}

// own is the UID that the object at a place has in the API, of those of this node.
func (s *pods) own(at int32) string {
	if m := s.said[at]; m != nil {
		return m.own
	}
	return s.all[at].Ref.UID
}

// reside notes that the object at a place is of this node.
func (s *pods) reside(at int32, m *mirror) {
	s.local[at], s.localsStale = true, true
	if m != nil {
		s.said[at] = m
		s.mirrors[m.of] = append(s.mirrors[m.of], at)
		s.identify(m.of)
	}
	own := s.own(at)
	s.uids[own] = at
	s.identify(own)
}

// depart notes that it is no more.
func (s *pods) depart(at int32) {
	delete(s.local, at)
	s.localsStale = true
	own, m := s.own(at), s.said[at]
	if m != nil {
		delete(s.said, at)
		rest := slices.DeleteFunc(s.mirrors[m.of], func(other int32) bool { return other == at })
		if s.mirrors[m.of] = rest; len(rest) == 0 {
			delete(s.mirrors, m.of)
		}
		s.identify(m.of)
	}
	if s.uids[own] == at {
		delete(s.uids, own)
		s.identify(own)
	}
}

// identify settles which of the objects that say so is the static pod of a UID:
// the oldest that is not being deleted, and none where an object has that UID for
// its own. The others are pods that run nowhere.
func (s *pods) identify(of string) {
	rivals := s.mirrors[of]
	if len(rivals) == 0 {
		return
	}
	_, taken := s.uids[of]
	first := slices.MinFunc(rivals, func(x, y int32) int {
		a, b := s.said[x], s.said[y]
		return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.own, b.own))
	})
	for _, at := range rivals {
		uid := of
		if taken || at != first {
			uid = s.said[at].own
			s.log.Warn("a pod says that it is a static pod, which another is", "pod", s.all[at].key(), "uid", of)
		}
		s.rename(at, uid)
	}
}

// rename gives the pod at a place another UID. What was handed out stays as it is.
func (s *pods) rename(at int32, uid string) {
	if s.all[at].Ref.UID == uid {
		return
	}
	p := *s.all[at]
	p.Ref.UID = uid
	s.all[at], s.given[at] = &p, &p.Pod
	s.listStale, s.localsStale = true, true
	if _, less := s.cropped[at]; less {
		delete(s.cropped, at)
		s.crop(at)
	}
}
