package cniconf

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nameward/nameward/enforcer/chain"
)

// entry is the plugin's entry in these tests.
var entry = mustEntry(testConfig)

var testConfig = chain.Config{Mode: chain.Required, Socket: chain.DefaultSocket, Timeout: chain.DefaultTimeout, Pins: chain.DefaultPins}

func mustEntry(c chain.Config) []byte {
	e, err := c.Entry()
	if err != nil {
		panic(err)
	}
	return e
}

// D9: the plugin is inserted into other people's text, of which no byte changes.
func TestInsertD9(t *testing.T) {
	e := string(entry)
	for _, c := range []struct{ name, in, want string }{
		{"compact text stays compact", `{"name":"a","plugins":[{"type":"ptp"}],"x":1}`, `{"name":"a","plugins":[{"type":"ptp"},` + e + `],"x":1}`},
		{"a plugin on a line of its own has ours on the next",
			"{\n  \"plugins\": [\n    {\"type\": \"ptp\"}\n  ]\n}\n", "{\n  \"plugins\": [\n    {\"type\": \"ptp\"},\n    " + e + "\n  ]\n}\n"},
		{"behind the last of several", `{"plugins": [{"type":"a"}, {"type":"b"} ]}`, `{"plugins": [{"type":"a"}, {"type":"b"}, ` + e + ` ]}`},
		{"an entry that says the same in other words stays",
			`{"plugins":[{"type":"a"},{"timeout":"10s","socket":"/run/nameward/enforcer.sock", "pins":"/sys/fs/bpf/nameward", "away":"closed", "mode":"required","type":"nameward-cni"}]}`,
			`{"plugins":[{"type":"a"},{"timeout":"10s","socket":"/run/nameward/enforcer.sock", "pins":"/sys/fs/bpf/nameward", "away":"closed", "mode":"required","type":"nameward-cni"}]}`},
		{"an entry stays before plugins that others put behind it", `{"plugins":[{"type":"a"},` + e + `,{"type":"istio-cni"}]}`,
			`{"plugins":[{"type":"a"},` + e + `,{"type":"istio-cni"}]}`},
		{"an entry with another mode is changed in its place", `{"plugins":[{"type":"a"}, {"type":"nameward-cni","mode":"best-effort"},{"type":"b"}]}`,
			`{"plugins":[{"type":"a"}, ` + e + `,{"type":"b"}]}`},
		{"an entry that is first, where no result is before it, moves to the end", `{"plugins":[` + e + `, {"type":"a"}]}`, `{"plugins":[{"type":"a"},` + e + `]}`},
		{"two entries become one", `{"plugins":[{"type":"a"},` + e + `,` + e + `]}`, `{"plugins":[{"type":"a"},` + e + `]}`},
		{"the last of two lists counts, as for libcni", `{"plugins":[{"type":"a"}],"plugins":[{"type":"b"}]}`, `{"plugins":[{"type":"a"}],"plugins":[{"type":"b"},` + e + `]}`},
		{"brackets and quotes in strings mislead nobody", `{"x":"\"plugins\":[{","plugins":[{"type":"a","y":"]}"}]}`, `{"x":"\"plugins\":[{","plugins":[{"type":"a","y":"]}"},` + e + `]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Insert([]byte(c.in), entry)
			if err != nil {
				t.Fatalf("Insert: %v", err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("Insert (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInsertRefuses(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"half a text", `{"plugins":[{"type":`, "read JSON"},
		{"no list", `{"name":"a"}`, "no list"},
		{"plugins from a directory only", `{"name":"a","plugins":[]}`, "no list"},
		{"a list that is none", `{"plugins":{"type":"a"}}`, "no list"},
		{"an array", `[{"plugins":[]}]`, "no list"},
		{"a plugin without a type", `{"plugins":[{"x":1}]}`, "plugins[0]: type is missing"},
		{"nothing but ourselves", `{"plugins":[` + string(entry) + `]}`, "is the only plugin"},
		{"something behind the text", `{"plugins":[{"type":"a"}]}}`, "read JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Insert([]byte(c.in), entry)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %s, %v; want an error with %q", got, err, c.want)
			}
		})
	}
}

// object draws JSON text with blanks where JSON lets them be.
func drawValue(t *rapid.T, depth int) string {
	blank := func() string { return rapid.SampledFrom([]string{"", " ", "\n\t", "\r\n  "}).Draw(t, "blank") }
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	switch {
	case kind == 0:
		return rapid.SampledFrom([]string{"1", "-2.5e3", "true", "null", "\"\""}).Draw(t, "scalar")
	case kind < 3 || depth == 0:
		text, err := json.Marshal(rapid.StringOf(rapid.RuneFrom([]rune("ab\"[]{},:\\é"))).Draw(t, "string"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	case kind == 3:
		parts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return drawValue(t, depth-1) }), 0, 3).Draw(t, "array")
		return "[" + blank() + strings.Join(parts, blank()+","+blank()) + blank() + "]"
	}
	parts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return `"k"` + blank() + ":" + drawValue(t, depth-1) }), 0, 3).Draw(t, "object")
	return "{" + blank() + strings.Join(parts, ","+blank()) + blank() + "}"
}

func drawList(t *rapid.T) []byte {
	blank := rapid.SampledFrom([]string{"", " ", "\n", "\n    ", "\r\n\t"})
	plugin := rapid.Custom(func(t *rapid.T) string {
		return "{" + blank.Draw(t, "b") + `"x":` + drawValue(t, 2) + `,"type"` + blank.Draw(t, "b") + `:"` + rapid.SampledFrom([]string{"ptp", "portmap", "calico"}).Draw(t, "type") + `"}`
	})
	plugins := rapid.SliceOfN(plugin, 1, 4).Draw(t, "plugins")
	text := blank.Draw(t, "b") + `{"name":"n","cniVersion":"1.0.0",` + `"extra":` + drawValue(t, 2) + `,"plugins":` + blank.Draw(t, "b") + "[" + blank.Draw(t, "b")
	text += strings.Join(plugins, blank.Draw(t, "b")+","+blank.Draw(t, "b")) + blank.Draw(t, "b") + "]" + blank.Draw(t, "b") + `,"more":` + drawValue(t, 2) + "}" + blank.Draw(t, "b")
	return []byte(text)
}

// D9: Remove undoes Insert to the byte, Insert is idempotent, and libcni sees
// the same plugins and ours behind them.
func TestRemoveUndoesInsertD9(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawList(t)
		with, err := Insert(text, entry)
		if err != nil {
			t.Fatalf("Insert(%q): %v", text, err)
		}
		if again, err := Insert(with, entry); err != nil || !bytes.Equal(again, with) {
			t.Fatalf("second Insert: got %q, %v; want %q", again, err, with)
		}
		back, err := Remove(with)
		if err != nil || !bytes.Equal(back, text) {
			t.Fatalf("Remove: got %q, %v; want %q", back, err, text)
		}
		before, err := libcni.NetworkConfFromBytes(text)
		if err != nil {
			t.Fatal(err)
		}
		after, err := libcni.NetworkConfFromBytes(with)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := types(after), append(types(before), chain.Plugin); !cmp.Equal(got, want) {
			t.Fatalf("plugins: got %v, want %v", got, want)
		}
	})
}

func types(l *libcni.NetworkConfigList) []string {
	var all []string
	for _, p := range l.Plugins {
		all = append(all, p.Network.Type)
	}
	return all
}

// FuzzInsert: whatever a CNI has written, Insert refuses it or changes it so
// that Remove undoes it, and libcni reads it as before.
func FuzzInsert(f *testing.F) {
	f.Add([]byte(`{"name":"a","plugins":[{"type":"ptp"}]}`))
	f.Add([]byte("{\"plugins\": [ {\"type\":\"a\"}\n,\n{\"type\":\"nameward-cni\"}]}"))
	f.Add([]byte(`{"Plugins":[],"plugins":[{"type":"b","Type":"nameward-cni"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		with, err := Insert(text, entry)
		if err != nil {
			return
		}
		if !Names(with) {
			t.Fatalf("Insert(%q) = %q, which does not name the plugin", text, with)
		}
		if _, err := libcni.NetworkConfFromBytes(text); err == nil {
			if _, err := libcni.NetworkConfFromBytes(with); err != nil {
				t.Fatalf("Insert(%q) = %q, which libcni refuses: %v", text, with, err)
			}
		}
		if Names(text) {
			return
		}
		if back, err := Remove(with); err != nil || !bytes.Equal(back, text) {
			t.Fatalf("Remove(Insert(%q)) = %q, %v", text, back, err)
		}
	})
}

func TestWrapKeepsTheText(t *testing.T) {
	single := "{\n\t\"type\": \"flannel\", \"cniVersion\":\"0.3.1\", \"name\":\"cbr0\", \"delegate\": {\"x\": 1}}\n"
	text, err := wrap([]byte(single))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(strings.TrimSpace(single))) {
		t.Errorf("got %s, want the text of the single plugin in it", text)
	}
	list, err := libcni.NetworkConfFromBytes(text)
	if err != nil || list.Name != "cbr0" || list.CNIVersion != "0.3.1" || len(list.Plugins) != 1 {
		t.Errorf("got %+v, %v; want network cbr0 of version 0.3.1 with one plugin", list, err)
	}
	if _, err := wrap([]byte(`{"type":"x"}`)); err == nil {
		t.Error("got no error for a network without a name, want one")
	}
	if _, err := parse([]byte(single)); !errors.Is(err, errNoList) {
		t.Errorf("got %v, want %v", err, errNoList)
	}
}
