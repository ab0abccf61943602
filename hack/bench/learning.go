package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"google.golang.org/grpc"

	"github.com/nameward/nameward/hack/demo/product"
	"github.com/nameward/nameward/hack/demo/scene"
	"github.com/nameward/nameward/plugin/stream"
)

const (
	// lessonsEach is how many addresses every pod learns, fewer than it may hold.
	lessonsEach = 9000
	// lessonsAhead is how many answers wait for their acknowledgement at a time.
	lessonsAhead = 64
)

// learning measures how fast the real enforcer takes what CoreDNS tells it, up
// to its acknowledgement, with a stand-in for CoreDNS that has all at once.
func learning(ctx context.Context, t *table, s *stage) error {
	t.progress("learning: starting the enforcer")
	p, err := s.product("learning", "", learningRules(s.scene.Pods))
	if err != nil {
		return err
	}
	err = teachAll(ctx, t, s.scene.Pods, p)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, p.Tails())
	}
	return errors.Join(err, p.Close())
}

func teachAll(ctx context.Context, t *table, pods scene.Pods, p *product.Product) error {
	teacher, err := newTeacher(p.Folder())
	if err != nil {
		return err
	}
	defer teacher.close()
	if err := p.StartEnforcer(ctx); err != nil {
		return err
	}
	class, err := teacher.class(ctx, pods.All())
	if err != nil {
		return err
	}
	t.section("The enforcer learns", fmt.Sprintf("one enforcer, %d pods, a stand-in for CoreDNS with up to %d answers ahead; from the first answer until the last is acknowledged; %s addresses a pod, none known before",
		len(pods.All()), lessonsAhead, grouped(lessonsEach)))
	for round, size := range []int{10, 100} {
		if round > 0 && !pause(ctx, grantsEnd) {
			return ctx.Err()
		}
		used, err := usageOf(p.EnforcerPID())
		if err != nil {
			return err
		}
		rate, err := class.teach(ctx, pods.All(), size, round)
		if err != nil {
			return err
		}
		after, err := usageOf(p.EnforcerPID())
		if err != nil {
			return err
		}
		each := microsecondsOf(after.cpu-used.cpu) / float64(lessonsEach*len(pods.All()))
		t.figure(figure{name: fmt.Sprintf("addresses in force, answers of %d", size), value: rate, unit: addressesPerSecond, goal: atLeast(50000),
			beside: fmt.Sprintf("%.2f µs of the enforcer's CPU time each", each)})
	}
	return nil
}

// grantsEnd is when what was learnt with a TTL of 0 has surely ended under the
// product's settings.
const grantsEnd = 4 * time.Second

// learningRules has one wildcard for every pod.
func learningRules(pods scene.Pods) map[string]string {
	rules := map[string]string{}
	for _, pod := range pods.All() {
		rules["learning-"+pod.Namespace+".yaml"] = domainRule(pod.Namespace, "learning", "", []string{"*.learning.example.net"})
	}
	return rules
}

// domainRule lets pods of the namespace with that role, all where it is empty,
// reach the names.
func domainRule(namespace, name, role string, names []string) string {
	selector := "{}"
	if role != "" {
		selector = "{matchLabels: {role: " + role + "}}"
	}
	text := fmt.Sprintf(`apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata:
  name: %s
  namespace: %s
spec:
  podSelector: %s
  policyTypes: [Egress]
  egress:
    - ports: [{protocol: TCP, port: 80}]
      to:
        - domainNames:
`, name, namespace, selector)
	for _, n := range names {
		text += fmt.Sprintf("            - %q\n", n)
	}
	return text
}

// teacher serves the stream in CoreDNS's place.
type teacher struct {
	stream.UnimplementedNamesServer
	server  *grpc.Server
	classes chan *class
}

// class is one enforcer's session.
type class struct {
	stream.Names_SessionServer
	subscribed chan *stream.Subscription
	acks       chan *stream.Ack
	seq        uint64
}

// newTeacher listens where the enforcer looks for either CoreDNS.
func newTeacher(folder string) (*teacher, error) {
	t := &teacher{server: grpc.NewServer(), classes: make(chan *class, 2)}
	stream.RegisterNamesServer(t.server, t)
	for _, name := range []string{"coredns.sock", "coredns-hold-off.sock"} {
		l, err := net.Listen("unix", filepath.Join(folder, name))
		if err != nil {
			t.close()
			return nil, fmt.Errorf("serve the stream: %w", err)
		}
		go t.server.Serve(l)
	}
	return t, nil
}

func (t *teacher) close() { t.server.Stop() }

// Session is part of stream.NamesServer.
func (t *teacher) Session(session stream.Names_SessionServer) error {
	if _, err := session.Recv(); err != nil {
		return err
	}
	welcome := &stream.Welcome{Version: stream.Version, Instance: "bench"}
	if err := session.Send(&stream.ServerMessage{Message: &stream.ServerMessage_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	c := &class{Names_SessionServer: session, subscribed: make(chan *stream.Subscription, 64), acks: make(chan *stream.Ack, 4*lessonsAhead)}
	t.classes <- c
	defer close(c.acks)
	for {
		m, err := session.Recv()
		switch {
		case err != nil:
			return err
		case m.GetSubscription() != nil:
			select {
			case c.subscribed <- m.GetSubscription():
			default: // the other CoreDNS's, which nobody reads
			}
		case m.GetAck() != nil:
			c.acks <- m.GetAck()
		}
	}
}

// class waits for a session that watches all of the pods.
func (t *teacher) class(ctx context.Context, pods []*scene.Pod) (*class, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var c *class
	select {
	case c = <-t.classes:
	case <-ctx.Done():
		return nil, fmt.Errorf("await the enforcer's session: %w", ctx.Err())
	}
	watched := map[string]bool{}
	for len(watched) < 2*len(pods) {
		select {
		case s := <-c.subscribed:
			for _, w := range s.GetWatches() {
				for _, address := range w.GetAddresses() {
					watched[string(address)] = true
				}
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("await the enforcer's subscription: %d of %d addresses are watched: %w", len(watched), 2*len(pods), ctx.Err())
		}
	}
	return c, nil
}

// teach tells of all addresses, so many in an answer, pod by pod in turn, and
// returns how many a second were acknowledged. Rounds have addresses of their
// own.
func (c *class) teach(ctx context.Context, pods []*scene.Pod, size, round int) (perSecond float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	began, ahead := time.Now(), 0
	await := func() error {
		select {
		case ack, open := <-c.acks:
			switch {
			case !open:
				return errors.New("the enforcer ended the session")
			case ack.GetValidMs() == 0:
				return fmt.Errorf("the enforcer granted nothing of answer %d", ack.GetSeq())
			}
			ahead--
			return nil
		case <-ctx.Done():
			return fmt.Errorf("await acknowledgements: %w", ctx.Err())
		}
	}
	for answer := range lessonsEach / size {
		for i, pod := range pods {
			if err := c.Send(c.lesson(pod, round, i, answer, size)); err != nil {
				return 0, fmt.Errorf("tell the enforcer: %w", err)
			}
			for ahead++; ahead >= lessonsAhead; {
				if err := await(); err != nil {
					return 0, err
				}
			}
		}
	}
	for ahead > 0 {
		if err := await(); err != nil {
			return 0, err
		}
	}
	return float64(lessonsEach*len(pods)) / time.Since(began).Seconds(), nil
}

func (c *class) lesson(pod *scene.Pod, round, nth, answer, size int) *stream.ServerMessage {
	c.seq++
	learned := &stream.Learned{Seq: c.seq, Client: pod.Address.V4.AsSlice(),
		Name: fmt.Sprintf("n%d-%d.learning.example.net", round, answer), Addresses: make([]*stream.Address, size)}
	for i := range learned.Addresses {
		at := answer*size + i
		learned.Addresses[i] = &stream.Address{Ip: []byte{23, byte(16*round + nth), byte(at >> 8), byte(at)}}
	}
	return &stream.ServerMessage{Message: &stream.ServerMessage_Learned{Learned: learned}}
}

// pause reports whether the context lived through it.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
