package report

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that are left, but for those of a connection to the
// API server that a cancelled watch kept from being idle when it was to be closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("golang.org/x/net/http2.(*clientConnReadLoop).run"))
}
