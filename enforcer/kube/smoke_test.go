package kube

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	path := os.Getenv("NAMEWARD_KUBECONFIG")
	if path == "" {
		t.Skip()
	}
	config, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{REST: config, Node: "n1", Namespace: "nameward", Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	began := time.Now()
	s.Run(ctx, func(s *Snapshot) {
		t.Logf("%v pods %d local %d ns %d nodes %d svc %d pol %d rev %v", time.Since(began), len(s.Pods), len(s.Local("n1")), len(s.Namespaces), len(s.Nodes), len(s.Services), len(s.Policies), s.Revisions())
		for p, w := range s.Closed() {
			t.Log(p, w)
		}
	})
	t.Log(s.State())
}
