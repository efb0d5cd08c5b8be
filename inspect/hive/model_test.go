package hive

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A model is a node as it should be.
type model struct {
	name     string
	values   []Value
	children []*model
	parent   *model
	id       NodeID // in the hive that is compared, if handles are
}

func upper(s string) string { return fmt.Sprint([]uint16(toUnits(s).upper())) }

// child returns the index of a name, or where it belongs.
func (m *model) child(name string) (int, bool) {
	u := toUnits(name).upper()
	return slices.BinarySearchFunc(m.children, u, func(c *model, u units) int {
		return slices.Compare(toUnits(c.name).upper(), u)
	})
}

func (m *model) add(name string) *model {
	c := &model{name: name, parent: m}
	i, found := m.child(name)
	if found {
		panic(name)
	}
	m.children = slices.Insert(m.children, i, c)
	return c
}

func (m *model) remove() {
	i, _ := m.parent.child(m.name)
	m.parent.children = slices.Delete(m.parent.children, i, i+1)
}

func (m *model) set(v Value) {
	for i := range m.values {
		if upper(m.values[i].Name) == upper(v.Name) {
			m.values[i] = v
			return
		}
	}
	m.values = append(m.values, v)
}

func (m *model) path() []string {
	if m.parent == nil {
		return []string{}
	}
	return append(m.parent.path(), m.name)
}

// all returns the nodes, parents first.
func (m *model) all() []*model {
	list := []*model{m}
	for i := 0; i < len(list); i++ {
		list = append(list, list[i].children...)
	}
	return list
}

// A line is a node in a dump.
type line struct {
	depth  int
	name   string
	time   int64
	values []Value
}

func (m *model) dump(depth int, lines []line) []line {
	lines = append(lines, line{depth, m.name, 0, m.values})
	for _, c := range m.children {
		lines = c.dump(depth+1, lines)
	}
	return lines
}

// dump reads all of a hive.
func dump(h *Hive) ([]line, error) {
	root, err := h.Root()
	if err != nil {
		return nil, err
	}
	type item struct {
		id    NodeID
		depth int
	}
	var lines []line
	for todo := []item{{root, 0}}; len(todo) > 0; {
		it := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		l := line{depth: it.depth}
		if l.name, err = h.NodeName(it.id); err != nil {
			return nil, err
		}
		n, err := h.node(it.id)
		if err != nil {
			return nil, err
		}
		l.time = int64(le.Uint64(n.b[nkTime:]))
		values, err := h.Values(it.id)
		if err != nil {
			return nil, err
		}
		for _, id := range values {
			v, err := h.valueOf(id)
			if err != nil {
				return nil, err
			}
			l.values = append(l.values, v)
		}
		lines = append(lines, l)
		children, err := h.Children(it.id)
		if err != nil {
			return nil, err
		}
		for _, c := range slices.Backward(children) {
			if parent, err := h.Parent(c); err != nil || parent != it.id {
				return nil, fmt.Errorf("parent of %#x is %#x, %v", c, parent, err)
			}
			todo = append(todo, item{c, it.depth + 1})
		}
	}
	return lines, nil
}

// compare fails the test where two dumps differ. Times are compared if both have them.
func compare(t testing.TB, what string, got, want []line) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		if g.depth != w.depth || g.name != w.name || g.time != w.time && g.time != 0 && w.time != 0 {
			t.Fatalf("%s: node %d: got %d %q %d, want %d %q %d", what, i, g.depth, g.name, g.time, w.depth, w.name, w.time)
		}
		if len(g.values) != len(w.values) {
			t.Fatalf("%s: node %q: %d values, want %d", what, g.name, len(g.values), len(w.values))
		}
		for j, v := range g.values {
			if x := w.values[j]; v.Name != x.Name || v.Type != x.Type || !bytes.Equal(v.Data, x.Data) {
				t.Fatalf("%s: node %q: value %q %s, %d bytes; want %q %s, %d bytes", what, g.name,
					v.Name, v.Type, len(v.Data), x.Name, x.Type, len(x.Data))
			}
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d nodes, want %d", what, len(got), len(want))
	}
}

// checkWhole fails unless the hive is sound, its lists are in order, every cell in use
// belongs to something, and all counts and sizes are those of what is there.
func checkWhole(t testing.TB, data []byte) *Hive {
	t.Helper()
	h, err := Parse(data, Write)
	if err != nil {
		t.Fatal(err)
	}
	if f := h.Faults(); len(f) > 0 {
		t.Fatal("fault:", f[0])
	}
	if !h.edit.ordered {
		t.Fatal("lists are not in order")
	}
	if d := h.Dirty(); d != "" {
		t.Fatal("dirty:", d)
	}
	for i, s := range h.edit.state {
		at := ref(i * cellAlign)
		if s&cellStart != 0 && int32(le.Uint32(h.data[at.offset():])) < 0 && s&cellOwned == 0 {
			t.Fatalf("cell %#x is used by nobody", at.offset())
		}
	}
	for at, n := range h.edit.shares {
		b, _, _ := h.cell(at, 1<<20)
		if got := int(le.Uint32(b[skShares:])); got != n {
			t.Fatalf("security record %#x is said to have %d nodes, has %d", at.offset(), got, n)
		}
	}
	return h
}

// An edit is one of a random sequence, in words that oracle.py understands.
type edit []any

func hexValue(v Value) []any { return []any{v.Name, uint32(v.Type), fmt.Sprintf("%x", v.Data)} }

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.{}@#*?'\"<&éÿß"

func randomName(r *rand.Rand, limit int) string {
	n := 1 + r.IntN(12)
	if r.IntN(20) == 0 {
		n = 1 + r.IntN(limit)
	}
	alphabet := []rune(letters)
	if r.IntN(5) == 0 {
		alphabet = []rune("aZ日ア語ĀāΩωЖж€")
		n = min(n, limit)
	}
	var b strings.Builder
	for range n {
		b.WriteRune(alphabet[r.IntN(len(alphabet))])
	}
	return b.String()
}

func randomValue(r *rand.Rand, biggest int) Value {
	v := Value{Name: randomName(r, 500), Type: Type(r.IntN(12))}
	if r.IntN(10) == 0 {
		v.Name = ""
	}
	n := r.IntN(40)
	switch r.IntN(30) {
	case 0:
		n = r.IntN(biggest)
	case 1:
		n = []int{0, 1, 3, 4, 5, 8, 16343, 16344, 16345, 16348, 2 * 16344, 2*16344 + 1}[r.IntN(12)]
	}
	v.Data = make([]byte, n)
	for i := range v.Data {
		v.Data[i] = byte(r.Uint32())
	}
	if v.Type == DWord && n >= 4 {
		v.Data = v.Data[:4]
	}
	return v
}

// randomEdit changes the model, and returns how.
func randomEdit(r *rand.Rand, root *model, nodes []*model, biggest int) edit {
	m := nodes[r.IntN(len(nodes))]
	if !slices.Contains(root.all(), m) { // deleted
		m = root
	}
	switch n := r.IntN(10); {
	case n < 5:
		name := randomName(r, 255)
		for _, found := m.child(name); found; _, found = m.child(name) {
			name += "x"
			if len(toUnits(name)) > 255 {
				name = "y"
			}
		}
		path := m.path()
		m.add(name)
		return edit{"add", path, name}
	case n < 6 && m.parent != nil:
		path := m.path()
		m.remove()
		return edit{"delete", path}
	case n < 7:
		m.values = nil
		list := []any{}
		for range r.IntN(6) {
			m.set(randomValue(r, biggest))
		}
		for _, v := range m.values {
			list = append(list, hexValue(v))
		}
		return edit{"values", m.path(), list}
	default:
		v := randomValue(r, biggest)
		m.set(v)
		return edit{"value", m.path(), hexValue(v)}
	}
}

// apply makes an edit by our own hand.
func (e edit) apply(t testing.TB, h *Hive, m *model) {
	t.Helper()
	k, err := h.Lookup(e[1].([]string)...)
	if err == nil {
		switch e[0] {
		case "add":
			_, err = h.AddChild(k.ID(), e[2].(string))
		case "delete":
			err = h.DeleteChild(k.ID())
		case "values":
			err = h.SetValues(k.ID(), m.find(e[1].([]string)).values)
		case "value":
			name := e[2].([]any)[0].(string)
			for _, v := range m.find(e[1].([]string)).values {
				if v.Name == name {
					err = h.SetValue(k.ID(), v)
				}
			}
		}
	}
	if err != nil {
		t.Fatal(e[0], err)
	}
}

func (m *model) find(path []string) *model {
	for _, name := range path {
		i, found := m.child(name)
		if !found {
			return nil
		}
		m = m.children[i]
	}
	return m
}

// Thousands of edits, against the model alone.
func TestRandomEdits(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := New()
		root := &model{name: "$$$PROTO.HIV"}
		for range 40 {
			nodes := root.all()
			for range 50 {
				e := randomEdit(r, root, nodes, 1<<20)
				e.apply(t, h, root)
			}
			data, err := h.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			again := checkWhole(t, data)
			for _, h := range []*Hive{h, again} {
				got, err := dump(h)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, "edited", got, root.dump(0, nil))
			}
			if r.IntN(3) == 0 {
				h = again
			}
		}
		// All that was added can be taken away, and its room used again.
		for _, c := range root.children {
			k, err := h.Lookup(c.name)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.DeleteChild(k.ID()); err != nil {
				t.Fatal(err)
			}
			if _, err := h.NodeName(k.ID()); !errors.Is(err, ErrHandle) {
				t.Error("the handle of a deleted node:", err)
			}
		}
		k, _ := h.Lookup()
		if err := h.SetValues(k.ID(), nil); err != nil {
			t.Fatal(err)
		}
		data, _ := h.Bytes()
		h = checkWhole(t, data)
		used := 0
		for i, s := range h.edit.state {
			if s&cellOwned != 0 {
				used += -int(int32(le.Uint32(h.data[headerSize+i*cellAlign:])))
			}
		}
		if used > 512 {
			t.Errorf("an empty hive has %d bytes in use", used)
		}
	}
}
