package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// conversation is what a traffic pod runs: one TCP connection and one UDP flow,
// on which it asks for echoes without end. A datagram that was not answered
// within two seconds is lost: nobody sends it again.
// Counts are written to memory: a disk under load would hold up the traffic.
const conversation = `
host=%s http=%d udp=%d
tcp() {
	exec 3<>"/dev/tcp/$host/$http" || { echo "cannot connect" >/dev/shm/broken; return; }
	n=0
	while :; do
		printf 'GET /echo?msg=%%s HTTP/1.1\r\nHost: x\r\n\r\n' "$n" >&3
		size=0 body=
		while IFS= read -r -t 20 line <&3; do
			line=${line%%$'\r'}
			[ -n "$line" ] || break
			case $line in Content-Length:*) size=${line#*: } ;; esac
		done
		IFS= read -r -N "$size" -t 20 body <&3
		[ "$body" = "$n" ] || { echo "echo $n came as <$body>" >/dev/shm/broken; return; }
		n=$((n + 1))
		echo "$n" >/dev/shm/tcp
		sleep .02
	done
}
udp() {
	exec 4<>"/dev/udp/$host/$udp"
	n=0 lost=0
	while :; do
		printf 'echo %%s' "$n" >&4
		if IFS= read -r -N 1 -t 2 -u 4 body; then n=$((n + 1)); else lost=$((lost + 1)); fi
		echo "$n $lost" >/dev/shm/udp
		sleep .02
	done
}
trap 'exit 0' TERM
tcp &
udp &
wait
`

// Talker is a pod that talks to a server's address all the time.
func Talker(p Pod, host string, http, udp int) Pod {
	p.Script = fmt.Sprintf(conversation, host, http, udp)
	return p
}

// Talk is how a conversation has gone.
type Talk struct {
	// Echoes came back over TCP, Answers over UDP; Lost datagrams did not.
	Echoes, Answers, Lost int
	// Broken says what became of the TCP connection, empty while it lives.
	Broken string
}

// Talk asks the talker.
func (c *Cluster) Talk(ctx context.Context, p Pod) (t Talk, err error) {
	// what it writes just now is empty for a moment
	err = Await(ctx, 2*time.Second, "the talker's counts", func(ctx context.Context) error {
		t, err = c.talk(ctx, p)
		return err
	})
	return t, err
}

func (c *Cluster) talk(ctx context.Context, p Pod) (Talk, error) {
	out, err := c.Exec(ctx, p, "/bin/bash", "-c", `echo "$(cat /dev/shm/tcp 2>/dev/null || echo 0) $(cat /dev/shm/udp 2>/dev/null || echo 0 0) $(cat /dev/shm/broken 2>/dev/null)"`)
	if err != nil {
		return Talk{}, err
	}
	words := strings.SplitN(strings.TrimSpace(out), " ", 4)
	if len(words) < 3 {
		return Talk{}, fmt.Errorf("talker %s says %q", p, out)
	}
	var t Talk
	for i, into := range []*int{&t.Echoes, &t.Answers, &t.Lost} {
		if *into, err = strconv.Atoi(words[i]); err != nil {
			return Talk{}, fmt.Errorf("talker %s says %q", p, out)
		}
	}
	if len(words) == 4 {
		t.Broken = words[3]
	}
	return t, nil
}
