package fleet

import (
	"fmt"
	"os"
	"time"

	"github.com/nameward/nameward/hack/certs/ca"
	"github.com/nameward/nameward/hack/demo/scene"
)

// issuer is the fleet's certificate authority with its folder. It lives as long
// as the run.
type issuer struct {
	*ca.Authority
	folder string
}

func newIssuer(folder string) (*issuer, error) {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, fmt.Errorf("create folder: %w", err)
	}
	authority, err := ca.New("fleet", time.Now(), 24*time.Hour)
	return &issuer{authority, folder}, err
}

// replica makes the identity of a CoreDNS, which enforcers dial by address.
func (i *issuer) replica(name string, at scene.Dual) (ca.Files, error) {
	c, err := i.Server(name, at.V4.String(), at.V6.String())
	if err != nil {
		return ca.Files{}, err
	}
	return i.Save(i.folder, name, c)
}

// node makes the identity of an enforcer: it names the node whose pods it may
// ask about, both ways that there are (N16).
func (i *issuer) node(name string) (ca.Files, error) {
	c, err := i.Client(ca.SystemNode(name), "fleet.example", name)
	if err != nil {
		return ca.Files{}, err
	}
	return i.Save(i.folder, name, c)
}
