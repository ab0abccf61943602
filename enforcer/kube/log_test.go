package kube

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"k8s.io/klog/v2"
)

// What client-go tells goes where all else goes, and only its errors are seen by
// who does not debug.
func TestClientGoLogsLikeAllElse(t *testing.T) {
	defer klog.ClearLogger()
	say := map[string]func(){
		"an error":                   func() { klog.ErrorS(errors.New("refused"), "line", "key", "value") },
		"a formatted error":          func() { klog.Errorf("line: %s", "refused") },
		"a warning":                  func() { klog.Warning("line") },
		"an information":             func() { klog.InfoS("line", "key", "value") },
		"by the logger of a context": func() { klog.FromContext(context.Background()).WithName("x").WithValues("a", 1).Info("line") },
		"an error there":             func() { klog.FromContext(context.Background()).Error(errors.New("refused"), "line") },
		"a detail there":             func() { klog.FromContext(context.Background()).V(2).Info("line") },
	}
	for _, row := range []struct {
		what string
		at   slog.Level // the logger's
		want string     // the level it is written with; none if empty
	}{
		{"an error", slog.LevelInfo, "WARN"},
		{"a formatted error", slog.LevelInfo, "WARN"},
		{"an error there", slog.LevelInfo, "WARN"},
		{"an error", slog.LevelError, ""},
		{"a warning", slog.LevelInfo, ""},
		{"an information", slog.LevelInfo, ""},
		{"by the logger of a context", slog.LevelInfo, ""},
		{"a warning", slog.LevelDebug, "DEBUG"},
		{"an information", slog.LevelDebug, "DEBUG"},
		{"by the logger of a context", slog.LevelDebug, "DEBUG"},
		{"a detail there", slog.LevelDebug, ""},
	} {
		t.Run(row.what+" at "+row.at.String(), func(t *testing.T) {
			var out bytes.Buffer
			LogTo(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: row.at})))
			say[row.what]()
			got := out.String()
			if row.want == "" {
				if got != "" {
					t.Errorf("got %q, want nothing", got)
				}
				return
			}
			if !strings.Contains(got, "level="+row.want+" ") || !strings.Contains(got, "line") || strings.Count(got, "\n") != 1 {
				t.Errorf("got %q, want one line at %s", got, row.want)
			}
		})
	}
}
