package kube

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// feed follows one kind: it fills a shelf, and goes on until its context ends.
type feed struct {
	kind      kind
	client    *client
	shelf     shelf
	model     *model
	health    *health
	log       *slog.Logger
	reflector *cache.Reflector
	// crowd is how many nodes there are, all of which do as this one does.
	crowd func() int
}

func newFeed(c *client, s shelf, m *model, h *health, log *slog.Logger) *feed {
	f := &feed{kind: c.kind, client: c, shelf: s, model: m, health: h, log: log.With("resource", c.kind.String())}
	f.reflector = cache.NewReflectorWithOptions(f, nil, f, cache.ReflectorOptions{
		Name: c.kind.String(), TypeDescription: c.kind.String(),
	})
	h.expect(c.kind)
	return f
}

// run ends with ctx. A reflector returns when it has to begin with a list
// again, or cannot.
func (f *feed) run(ctx context.Context) {
	ctx = logged(ctx, f.log)
	for attempt := 0; ctx.Err() == nil; attempt++ {
		began := f.health.clock()
		err := f.reflector.ListAndWatchWithContext(ctx)
		if ctx.Err() != nil {
			return
		}
		if f.health.clock().Sub(began) > longPause {
			attempt = 0
		}
		pause := backoff(attempt)
		switch {
		case err == nil:
		case f.kind.optional && apierrors.IsNotFound(err):
			if f.absent(ctx) {
				pause = jittered(absence(f.crowd()))
			}
		case apierrors.IsForbidden(err):
			f.health.down(f.kind, &ForbiddenError{f.kind.String(), f.kind.rule(), err})
			pause = jittered(longPause)
		default:
			f.health.down(f.kind, err)
		}
		wait(ctx, pause)
	}
}

// absent takes note that the cluster lacks the kind. While there are objects of
// it, which a server deletes before it forgets the kind, the server has to say
// so twice: to lose a policy by mistake opens what it closes.
func (f *feed) absent(ctx context.Context) bool {
	lacks, err := f.client.lacks(ctx)
	switch {
	case err != nil:
		f.health.down(f.kind, fmt.Errorf("the server finds no %s; whether it has that kind: %w", f.kind, err))
		return false
	case !lacks:
		f.health.down(f.kind, fmt.Errorf("the server finds no %s, which it says that it has", f.kind))
		return false
	}
	f.model.replace(f.shelf, nil)
	f.read()
	return true
}

// ForbiddenError is a kind that the service account may not read.
type ForbiddenError struct {
	Resource string
	// Rule is what RBAC has to grant, in the words of a Role.
	Rule string
	err  error
}

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("reading %s is forbidden; grant the enforcer's service account {%s}: %v", e.Resource, e.Rule, e.err)
}

func (e *ForbiddenError) Unwrap() error { return e.err }

// WatchWithContext is for the reflector. It tries again by itself where that is
// all that can be done: the reflector would begin with a list.
func (f *feed) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	return persist(ctx, f, func() (watch.Interface, error) { return f.client.watch(ctx, o) })
}

// ListWithContext is for the reflector.
func (f *feed) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	p, err := persist(ctx, f, func() (*page, error) { return f.client.list(ctx, o, f.shelf.strip) })
	if err != nil {
		return nil, err
	}
	return p, nil
}

// List and Watch are for interfaces that are older than contexts.
func (f *feed) List(o metav1.ListOptions) (runtime.Object, error) {
	return f.ListWithContext(context.Background(), o)
}

// Watch does as WatchWithContext without end.
func (f *feed) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return f.WatchWithContext(context.Background(), o)
}

// persist asks until there is an answer that asking again would not change.
func persist[T any](ctx context.Context, f *feed, ask func() (T, error)) (T, error) {
	for attempt := 0; ; attempt++ {
		answer, err := ask()
		if err == nil {
			f.health.up(f.kind)
			return answer, nil
		}
		if ctx.Err() != nil || final(err) {
			return answer, err
		}
		f.health.down(f.kind, err)
		wait(ctx, backoff(attempt))
	}
}

// final says whether the server has understood the question and meant its
// answer. That it cannot be reached, is overloaded or about to start, or that a
// token was too old, will pass.
func final(err error) bool {
	if apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
		return true
	}
	for _, is := range []func(error) bool{
		apierrors.IsNotFound, apierrors.IsForbidden, apierrors.IsGone, apierrors.IsResourceExpired,
		apierrors.IsBadRequest, apierrors.IsInvalid, apierrors.IsMethodNotSupported, apierrors.IsNotAcceptable,
		apierrors.IsUnsupportedMediaType,
	} {
		if is(err) {
			return true
		}
	}
	return false
}

// Add, Update, Delete, Replace and Resync take in what the reflector finds.
func (f *feed) Add(o any) error { return f.Update(o) }

// Update takes in an object, new or changed.
func (f *feed) Update(o any) error {
	it, err := f.item(o)
	if err != nil {
		return err
	}
	f.model.put(f.shelf, it)
	return nil
}

// Delete takes out an object.
func (f *feed) Delete(o any) error {
	from, ok := o.(metav1.Object)
	if !ok {
		return fmt.Errorf("want an object of %s, got %T", f.kind, o)
	}
	f.model.drop(f.shelf, key{from.GetNamespace(), from.GetName()})
	return nil
}

// Replace takes in all objects there are.
func (f *feed) Replace(all []any, _ string) error {
	items := make([]item, 0, len(all))
	for _, o := range all {
		it, err := f.item(o)
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	f.model.replace(f.shelf, items)
	f.read()
	return nil
}

// read says that all there is of the kind is in its shelf.
func (f *feed) read() {
	if f.health.read(f.kind) {
		f.model.signal()
	}
}

// Resync has nothing to do: nothing is computed that could get lost.
func (f *feed) Resync() error { return nil }

// Transformer strips objects of a stream before they are gathered.
func (f *feed) Transformer() cache.TransformFunc {
	return func(o any) (any, error) { return f.item(o) }
}

func (f *feed) item(o any) (item, error) {
	switch o := o.(type) {
	case item:
		return o, nil
	case runtime.Object:
		return f.shelf.strip(o)
	}
	return nil, fmt.Errorf("want an object of %s, got %T", f.kind, o)
}

// revision is the newest resource version that is in the shelf.
func (f *feed) revision() string { return f.reflector.LastSyncResourceVersion() }

const (
	// shortPause is the first between two attempts, longPause the longest.
	shortPause = 50 * time.Millisecond
	longPause  = 5 * time.Second
)
