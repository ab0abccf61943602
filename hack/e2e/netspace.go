package main

import (
	"net"
	"runtime"
	"strconv"

	"github.com/vishvananda/netns"
)

// inside calls the function in a network namespace, on a thread that ends with
// it: whatever fails, no other goroutine finds itself elsewhere.
func inside(space netns.NsHandle, do func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(space)
		if err == nil {
			err = do()
		}
		result <- err
	}()
	return <-result
}

func hostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
