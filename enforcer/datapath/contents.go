package datapath

import (
	"encoding/hex"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/nameward/nameward/bpf"
)

// Contents is what the kernel's policy tables hold: for each table its entries
// in hexadecimal. Equal Tables give equal Contents, whatever way led there:
// slots are left out, and so is what only says that an entry may exist.
type Contents map[string]map[string]string

// Contents reads the tables back from the kernel. It is for proofs.
func (d *Datapath) Contents() (Contents, error) {
	c := Contents{}
	for name, m := range d.programs.policyTables() {
		if err := c.read(name, m); err != nil {
			return nil, err
		}
	}
	c["ports"] = make(map[string]string)
	for port, class := range d.programs.ports.all {
		if class != 0 {
			c["ports"][fmt.Sprintf("%05x", port)] = fmt.Sprintf("%016x", class)
		}
	}
	return c, c.readEndpoints(d)
}

// policyTables are those that hold Tables as they are.
func (p *programs) policyTables() map[string]*ebpf.Map {
	return map[string]*ebpf.Map{"rows": p.Rows, "addresses": p.Addresses, "prefixes": p.Prefixes, "services": p.Services}
}

func (c Contents) read(name string, m *ebpf.Map) error {
	c[name] = make(map[string]string)
	var key, value []byte
	it := m.Iterate()
	for it.Next(&key, &value) {
		c[name][hex.EncodeToString(key)] = hex.EncodeToString(value)
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read table %s: %w", name, err)
	}
	return nil
}

// readEndpoints tells the views that are in force.
func (c Contents) readEndpoints(d *Datapath) error {
	c["endpoints"] = make(map[string]string)
	var slot uint32
	var views bpf.KernelViews
	it := d.programs.Endpoints.Iterate()
	for it.Next(&slot, &views) {
		view := views.View[views.Active&1]
		if view.Id == 0 || slot == shutSlot {
			continue
		}
		view.Slot = 0
		c["endpoints"][fmt.Sprintf("%016x", view.Id)] = fmt.Sprintf("%x", view)
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read table endpoints: %w", err)
	}
	return nil
}
