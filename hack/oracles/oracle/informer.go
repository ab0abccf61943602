package oracle

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// informer is one that never runs: what is put into its store is what there
// is. L is the lister of its kind.
type informer[L any] struct {
	informer cache.SharedIndexInformer
	lister   L
}

func newInformer[L any](kind runtime.Object, lister func(cache.Indexer) L) *informer[L] {
	i := cache.NewSharedIndexInformer(nil, kind, 0, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	return &informer[L]{i, lister(i.GetIndexer())}
}

// Informer is what an engine asks whether it is synced.
func (i *informer[L]) Informer() cache.SharedIndexInformer { return i.informer }

// Lister is where an engine looks.
func (i *informer[L]) Lister() L { return i.lister }

// fill replaces everything in the store.
func fill[L, T any](i *informer[L], all []*T) {
	items := make([]any, len(all))
	for n := range all {
		items[n] = all[n]
	}
	if err := i.informer.GetIndexer().Replace(items, ""); err != nil {
		panic(err) // the index by namespace fails for what is no object only
	}
}

func pointers[T any](all []T) []*T {
	out := make([]*T, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	return out
}
