package hub

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nameward/nameward/plugin/stream"
)

// TestManPageHasTheBounds: operators plan with the numbers of the man page, so
// they are those of the code (S5).
func TestManPageHasTheBounds(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(text)), " ")
	for _, want := range []string{
		fmt.Sprintf("%d connections on which nobody has been admitted yet and %d of them from one source", maxVisits, maxVisitsFrom),
		fmt.Sprintf("each for %.0f seconds", visitTimeout.Seconds()),
		fmt.Sprintf("%s sessions, and %d of one node", grouped(maxSessions), maxNodeSessions),
		fmt.Sprintf("%s addresses, %s patterns of %d MiB together, messages of %d MiB, %d changes a second, and %d MiB of messages on their way",
			grouped(stream.MaxWatched), grouped(stream.MaxSessionPatterns), stream.MaxSessionPatternBytes>>20, stream.MaxMessage>>20, time.Second/paceEvery, maxLoad>>20),
		fmt.Sprintf("A token speaks for its session for at most %.0f minutes", stream.MaxTokenSession.Minutes()),
		fmt.Sprintf("enforcers begin the next session after %.0f to %.0f minutes", stream.MaxTokenSession.Minutes()/3, stream.MaxTokenSession.Minutes()/2),
		fmt.Sprintf("stay until their %.0f minutes have passed", stream.MaxTokenSession.Minutes()),
		fmt.Sprintf("said anew what it wants, at most %.0f minutes", lockdownKept.Minutes()),
		fmt.Sprintf("Lockdown stays, at most %.0f minutes", lockdownKept.Minutes()),
		fmt.Sprintf("acknowledges nothing for %.0f seconds", stallAfter.Seconds()),
		fmt.Sprintf("noticed within %.0f seconds", (stream.KeepaliveTime + stream.KeepaliveTimeout).Seconds()),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the man page does not say %q, which the code does", want)
		}
	}
}

// grouped writes 65536 as 65,536.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
