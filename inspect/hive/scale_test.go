package hive

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// setVersion makes the hive one of an older system, which has other lists.
func setVersion(h *Hive, minor uint32) {
	h.minor = minor
	le.PutUint32(h.data[hdrMinor:], minor)
}

// Ten thousand children, in each of the formats of their list, that come in order or
// not, and go again.
func TestManyChildren(t *testing.T) {
	const count = 10_000
	for _, c := range []struct {
		minor uint32
		kind  string
		order []int
	}{
		{5, "lh", rand.New(rand.NewPCG(1, 5)).Perm(count)},
		{5, "lh", nil},
		{3, "lf", rand.New(rand.NewPCG(2, 5)).Perm(count)},
		{2, "li", rand.New(rand.NewPCG(3, 5)).Perm(count)},
	} {
		t.Run(fmt.Sprint(c.kind, " shuffled ", c.order != nil), func(t *testing.T) {
			h := New()
			setVersion(h, c.minor)
			root, _ := h.Root()
			ids := make([]NodeID, count)
			for i := range count {
				n := i
				if c.order != nil {
					n = c.order[i]
				}
				var err error
				if ids[i], err = h.AddChild(root, fmt.Sprintf("Key %05d", n)); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(t.TempDir(), "hive")
			writeHive(t, h, path)
			data, _ := h.Bytes()
			h = checkWhole(t, data)
			lines := mustDump(t, h)
			if len(lines) != count+1 {
				t.Fatal(len(lines))
			}
			n, _ := h.node(root)
			leaves, err := h.leaves(n)
			if err != nil || leaves[0].kind != c.kind {
				t.Fatal(err, leaves)
			}
			if full := (count + maxItems(c.kind) - 1) / maxItems(c.kind); c.order == nil && len(leaves) != full {
				t.Errorf("%d leaves for names in order, want %d", len(leaves), full)
			}
			lazy, _ := Open(bytes.NewReader(data), int64(len(data)), 0)
			for _, h := range []*Hive{h, lazy} {
				for _, i := range []int{0, 1, 4711, count - 1} {
					if k, err := h.Lookup(fmt.Sprintf("kEY %05d", i)); err != nil {
						t.Error(err)
					} else if name, _ := h.NodeName(k.ID()); name != fmt.Sprintf("Key %05d", i) {
						t.Error(name)
					}
				}
			}
			for i, id := range ids {
				if i%100 == 0 {
					continue
				}
				if err := h.DeleteChild(id); err != nil {
					t.Fatal(err)
				}
			}
			data, _ = h.Bytes()
			few := mustDump(t, checkWhole(t, data))
			if len(few) != count/100+1 {
				t.Error(len(few))
			}
			hivex := hivexTool(t)
			compare(t, "hivex", lines, parseDump(t, hivex(nil, "dump", path)))
			writeHive(t, h, path)
			compare(t, "hivex, later", few, parseDump(t, hivex(nil, "dump", path)))
		})
	}
}

// A chain of nodes, as long as Windows allows with hivex, and far longer without.
func TestDeep(t *testing.T) {
	for _, depth := range []int{500, 100_000} {
		h := New()
		top, err := Key{h, mustRoot(t, h), ""}, error(nil)
		id := top.id
		for i := range depth {
			if id, err = h.AddChild(id, fmt.Sprint("level ", i)); err != nil {
				t.Fatal(err)
			}
		}
		data, _ := h.Bytes()
		lines := mustDump(t, checkWhole(t, data))
		if len(lines) != depth+1 {
			t.Fatal(len(lines))
		}
		if depth < 1000 {
			path := filepath.Join(t.TempDir(), "hive")
			writeHive(t, h, path)
			compare(t, "hivex", lines, parseDump(t, hivexTool(t)(nil, "dump", path)))
		}
		k, err := h.Lookup("level 0")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.DeleteChild(k.ID()); err != nil {
			t.Fatal(err)
		}
		data, _ = h.Bytes()
		if lines := mustDump(t, checkWhole(t, data)); len(lines) != 1 {
			t.Error(len(lines))
		}
	}
}

func mustRoot(t testing.TB, h *Hive) NodeID {
	t.Helper()
	id, err := h.Root()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// The longest names, and data of all sizes around a limit.
func TestLimits(t *testing.T) {
	for _, minor := range []uint32{3, 5} {
		h := New()
		setVersion(h, minor)
		root := mustRoot(t, h)
		for _, name := range []string{strings.Repeat("n", 255), strings.Repeat("日", 255), strings.Repeat("𝄞", 127)} {
			if _, err := h.AddChild(root, name); err != nil {
				t.Error(err)
			}
		}
		var values []Value
		for i, n := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 4060, 16343, 16344, 16345, 16348, 2*16344 - 1, 2 * 16344,
			2*16344 + 1, 2*16344 + 5, 1 << 20, 1<<20 + 3} {
			data := make([]byte, n)
			for j := range data {
				data[j] = byte(j*7 + i + j>>8)
			}
			values = append(values, Value{fmt.Sprint("size ", n), Binary, data})
		}
		values = append(values,
			Value{"", String, StringData("default")},
			Value{strings.Repeat("v", 16383), DWord, DWordData(7)},
			Value{strings.Repeat("ж", 16383), QWord, QWordData(1 << 60)},
			Value{"odd type", 0xfffffff0, []byte("db\x01\x00")})
		if err := h.SetValues(root, values); err != nil {
			t.Fatal(err)
		}
		data, _ := h.Bytes()
		lines := mustDump(t, checkWhole(t, data))
		compare(t, "ours", lines[:1], []line{{0, "$$$PROTO.HIV", 0, values}})
		n, _ := h.node(root)
		if name, data, child := n.u32(nkMaxValueName), n.u32(nkMaxValueData), n.u32(nkMaxChildName); name != 2*16383 ||
			data != 1<<20+3 || child != 510 {
			t.Errorf("limits of the root: %d, %d, %d", name, data, child)
		}
		path := filepath.Join(t.TempDir(), "hive")
		writeHive(t, h, path)
		hivex := parseDump(t, hivexTool(t)(nil, "dump", path))
		hivex[0].values[23].Type = 0xfffffff0 // the binding takes it for a negative number
		compare(t, "hivex", lines, hivex)
	}
}
