package main

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/nameward/nameward/hack/e2e/cluster"
)

// The manifests of the article that the project answers.
//
//go:embed testdata/seed
var seed embed.FS

// seedServices is the range that the manifests think Services are in.
const seedServices = "10.100.0.0/16"

// article is its story: namespace app, node default Deny, one node. At its heart
// is the row in which curl-frontend resolves example.com itself, on the same
// node and at the same time as curl-backend, which may connect there (N2).
func article(s *stage) error {
	if err := s.placeNamed("app"); err != nil {
		return err
	}
	pod := func(name, role string) cluster.Pod {
		return cluster.Pod{Namespace: "app", Name: name, Node: s.nodes[0], Labels: map[string]string{"role": role}}
	}
	backend, curlBackend, curlFrontend := pod("backend", "backend"), pod("curl-backend", "backend"), pod("curl-frontend", "frontend")
	backend.HTTP = 80
	s.later(func(ctx context.Context) error { return s.release.settings(ctx, map[string]string{"default": "Allow"}) })
	if err := s.release.settings(s.ctx, map[string]string{"default": "Deny"}); err != nil {
		return err
	}
	if err := s.Start(s.ctx, backend, curlBackend, curlFrontend); err != nil {
		return err
	}
	service, err := s.expose(backend, 80, 80)
	if err != nil {
		return err
	}
	to := func(from cluster.Pod, target string, want cluster.Outcome) route {
		if target == "backend" {
			return route{from: from, target: service + ":80", as: "backend Service", want: want}
		}
		return route{from: from, target: target + ":80", want: want}
	}
	const example, httpbin = "example.com", "httpbin.org"

	s.names("1. nothing applied", cluster.NoName, curlBackend, curlFrontend)
	s.routes("1. nothing applied:", to(curlBackend, "backend", drop), to(curlFrontend, "backend", drop))

	if err := s.seed("1-allow-dns.yaml", service); err != nil {
		return err
	}
	s.names("2. DNS allowed", pass, backend, curlBackend, curlFrontend)
	s.routes("2. DNS allowed:", to(curlBackend, "backend", drop), to(curlBackend, example, drop), to(curlFrontend, "backend", drop), to(curlFrontend, example, drop))

	if err := s.seed("2-allow-example-com.yaml", service); err != nil {
		return err
	}
	s.routes("3. example.com allowed:", to(curlBackend, example, pass), to(curlBackend, httpbin, drop), to(curlFrontend, example, drop))

	if err := s.seed("3-allow-intra-app.yaml", service); err != nil {
		return err
	}
	s.later(func(ctx context.Context) error {
		_, err := s.Kubectl(ctx, "", "delete", "clusternetworkpolicies.networking.k8s.aws", "allow-intra-app", "--ignore-not-found")
		return err
	})
	s.routes("4. app among itself allowed:", to(curlBackend, "backend", pass), to(curlBackend, example, pass), to(curlBackend, httpbin, drop),
		to(curlFrontend, "backend", pass), to(curlFrontend, example, drop), to(curlFrontend, httpbin, drop))
	_ = s.check("4. curl-frontend never reaches example.com while curl-backend resolves and connects (N2)", func() error {
		return s.together(to(curlBackend, example, pass), to(curlFrontend, example, drop))
	})
	_ = s.check("4. curl-frontend does not reach the address that curl-backend has learnt (N2)", func() error {
		return s.never(route{from: curlFrontend, target: "198.51.100.10:80"}, s.times(10, 3))
	})
	return nil
}

// names checks that pods resolve names, or that they do not.
func (s *stage) names(when string, want cluster.Outcome, pods ...cluster.Pod) {
	var all sync.WaitGroup
	for _, p := range pods {
		sentence := when + ": " + p.Name + " resolves example.com"
		if want != pass {
			sentence = when + ": " + p.Name + " resolves nothing"
		}
		all.Go(func() {
			_ = s.check(sentence, func() error {
				return cluster.Await(s.ctx, awaitLimit, "it", func(ctx context.Context) error {
					if got := s.Resolves(ctx, p, "example.com"); got != (want == pass) {
						return fmt.Errorf("got %v, want %v", got, want == pass)
					}
					return nil
				})
			})
		})
	}
	all.Wait()
}

// together plays one route again and again, while another one must never pass.
func (s *stage) together(allowed, blocked route) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	var all sync.WaitGroup
	var trouble error
	all.Go(func() {
		for ctx.Err() == nil {
			got, err := s.Connect(ctx, allowed.from, allowed.target, probeLimit)
			if ctx.Err() == nil && (err != nil || got != pass) {
				trouble = fmt.Errorf("%s → %s meanwhile: got %s (%v), want %s", allowed.from, allowed.target, got, err, pass)
				return
			}
		}
	})
	err := s.never(blocked, s.times(20, 4))
	cancel()
	all.Wait()
	if err == nil {
		err = trouble
	}
	return err
}

// seed applies one of the article's manifests, with this cluster's range of
// Service addresses.
func (s *stage) seed(file, service string) error {
	text, err := seed.ReadFile("testdata/seed/" + file)
	if err != nil {
		return err
	}
	words := strings.SplitN(service, ".", 3)
	return s.Apply(s.ctx, strings.ReplaceAll(string(text), seedServices, words[0]+"."+words[1]+".0.0/16"))
}

// expose puts a Service in front of a pod and returns its address once it has
// an endpoint.
func (s *stage) expose(p cluster.Pod, port, target int) (string, error) {
	return s.service(p.Namespace, p.Name, fmt.Sprintf("  selector: {pod: %s}\n  ports: [{port: %d, targetPort: %d}]\n", p.Name, port, target))
}

func (s *stage) service(namespace, name, spec string) (string, error) {
	err := s.Apply(s.ctx, fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec:\n%s", name, namespace, spec))
	if err != nil {
		return "", err
	}
	var service corev1.Service
	err = cluster.Await(s.ctx, 20*time.Second, "endpoints of Service "+name, func(ctx context.Context) error {
		var slices discoveryv1.EndpointSliceList
		if err := s.Get(ctx, "/apis/discovery.k8s.io/v1/namespaces/"+namespace+"/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D"+name, &slices); err != nil {
			return err
		}
		if len(slices.Items) == 0 || len(slices.Items[0].Endpoints) == 0 {
			return fmt.Errorf("there are none")
		}
		return s.Get(ctx, "/api/v1/namespaces/"+namespace+"/services/"+name, &service)
	})
	return service.Spec.ClusterIP, err
}
