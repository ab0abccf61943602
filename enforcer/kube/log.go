package kube

import (
	"context"
	"log/slog"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// LogTo has everything in this process that logs by klog, as client-go does, write
// to log. It must be called before any of that runs.
func LogTo(log *slog.Logger) { klog.SetSlogLogger(slog.New(chatter{log.Handler()})) }

// logged gives ctx to client-go.
func logged(ctx context.Context, log *slog.Logger) context.Context {
	return klog.NewContext(ctx, logr.FromSlogHandler(chatter{log.Handler()}))
}

// chatter takes what client-go says less seriously than it does: it tries again by
// itself, and what of that matters is told by those who use it.
type chatter struct{ slog.Handler }

// level makes a warning of an error, and debugging of all that klog calls
// information. Its further verbosities are below that, as they are in klog.
func level(l slog.Level) slog.Level {
	if l >= slog.LevelError {
		return slog.LevelWarn
	}
	return slog.LevelDebug + min(0, l-slog.LevelInfo)
}

func (c chatter) Enabled(ctx context.Context, l slog.Level) bool {
	return c.Handler.Enabled(ctx, level(l))
}

// Handle asks once more: logr does not ask for errors, which are meant to be seen
// always.
func (c chatter) Handle(ctx context.Context, r slog.Record) error {
	if r.Level = level(r.Level); !c.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return c.Handler.Handle(ctx, r)
}

func (c chatter) WithAttrs(all []slog.Attr) slog.Handler {
	return chatter{c.Handler.WithAttrs(all)}
}

func (c chatter) WithGroup(name string) slog.Handler { return chatter{c.Handler.WithGroup(name)} }
