package hive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// sample is a hive with every kind of record: lists of two kinds, big data, a class,
// and two security records.
func sample(t testing.TB) *Hive {
	h := New()
	root := mustRoot(t, h)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := h.AddChild(root, "a")
	must(err)
	b, err := h.AddChild(root, "B")
	must(err)
	for i := range 5 {
		_, err := h.AddChild(a, fmt.Sprint("child ", i))
		must(err)
	}
	must(h.SetValues(a, []Value{
		{"", String, StringData("default")}, {"four", DWord, DWordData(4)},
		{"big", Binary, bytes.Repeat([]byte("big data"), 2*segmentSize/8+1)}, {"ж", MultiString, StringsData([]string{"x", "y"})},
	}))
	// An index root over two leaves, a class, and a security record of its own.
	for i := range 3 {
		_, err := h.AddChild(b, fmt.Sprint("leaf ", i))
		must(err)
	}
	n, err := h.node(b)
	must(err)
	leaves, err := h.leaves(n)
	must(err)
	edit := &listEdit{frees: []ref{leaves[0].at}}
	al := &allocation{h: h}
	items := bytes.Clone(leaves[0].b)
	lists := []ref{edit.put(al, none, "lh", items[:8]), edit.put(al, none, "lh", items[8:])}
	edit.finish(al, leaves[0].at, lists)
	class := al.store(StringData("class")[:10])
	old := getRef(n.b[nkSecurity:])
	rec, _, err := h.cell(old, 1<<20)
	must(err)
	security := al.store(bytes.Clone(rec))
	must(al.err)
	edit.apply(h, n.at)
	n, err = h.node(b)
	must(err)
	putRef(n.b[nkClass:], class)
	le.PutUint16(n.b[nkClassLen:], 10)
	putRef(n.b[nkSecurity:], security)
	h.share(old, -1)
	h.edit.shares[security] = 1
	for _, l := range [][2]ref{{old, security}, {security, old}} {
		rec, _, err := h.record(l[0], "sk", skDescriptor)
		must(err)
		putRef(rec[skNext:], l[1])
		putRef(rec[skPrevious:], l[1])
		if l[0] == security {
			le.PutUint32(rec[skShares:], 1)
		}
	}
	data, err := h.Bytes()
	must(err)
	return checkWhole(t, data)
}

// A security record leaves the ring with the last node that has it, and not before.
func TestSecurityRing(t *testing.T) {
	h := sample(t)
	k, err := h.Lookup("b")
	if err != nil {
		t.Fatal(err)
	}
	if class, err := h.NodeClass(k.ID()); class != "class" {
		t.Error(class, err)
	}
	child, err := h.AddChild(k.ID(), "inherits")
	if err != nil {
		t.Fatal(err)
	}
	n, _ := h.node(child)
	at := getRef(n.b[nkSecurity:])
	if h.edit.shares[at] != 2 {
		t.Error(h.edit.shares)
	}
	for i, id := range []NodeID{child, k.ID()} {
		if err := h.DeleteChild(id); err != nil {
			t.Fatal(err)
		}
		data, _ := h.Bytes()
		if got := len(checkWhole(t, data).edit.shares); got != 2-i {
			t.Errorf("%d security records, want %d", got, 2-i)
		}
	}
	root, _ := h.node(mustRoot(t, h))
	at = getRef(root.b[nkSecurity:])
	b, _, _ := h.cell(at, 1<<20)
	if getRef(b[skNext:]) != at || getRef(b[skPrevious:]) != at {
		t.Error("the ring is not closed")
	}
}

// walk reads all that it can of a hive that may have circles, and returns the first
// error.
func walk(h *Hive) (nodes int, first error) {
	note := func(err error) bool {
		if err != nil && first == nil {
			first = err
		}
		return err == nil
	}
	root, err := h.Root()
	if !note(err) {
		return 0, first
	}
	seen := map[NodeID]bool{}
	for todo := []NodeID{root}; len(todo) > 0; {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[id] {
			note(ErrCorrupt) // a circle, or a node of two parents
			continue
		}
		seen[id] = true
		nodes++
		name, err := h.NodeName(id)
		note(err)
		_, err = h.NodeTime(id)
		note(err)
		_, err = h.NodeClass(id)
		note(err)
		_, err = h.NodeSecurity(id)
		note(err)
		if id != root {
			parent, err := h.Parent(id)
			if note(err) {
				_, err = h.Child(parent, name)
				note(err)
			}
		}
		values, err := h.Values(id)
		note(err)
		total := 0
		for _, v := range values {
			_, n, err := h.ValueType(v)
			note(err)
			if total += n & 0xffffff; total > 64<<20 {
				break // the test's time, not its memory
			}
			value, err := h.valueOf(v)
			note(err)
			_ = value.String()
		}
		children, err := h.Children(id)
		note(err)
		todo = append(todo, children...)
	}
	return nodes, first
}

func TestCorrupt(t *testing.T) {
	h := sample(t)
	at := func(path ...string) ref {
		k, err := h.Lookup(path...)
		if err != nil {
			t.Fatal(err)
		}
		return k.ID().ref()
	}
	vk := func(name string) ref {
		id, err := h.Value(at("a").node(), name)
		if err != nil {
			t.Fatal(err)
		}
		return id.ref()
	}
	field := func(cell ref, f int) ref { return getRef(h.data[cell.offset()+4+int64(f):]) }
	root, a, b := at(), at("a"), at("b")
	big := field(vk("big"), vkData)
	type change struct {
		cell  ref // a record's
		field int // in it; -4 is the cell's size
		to    any
	}
	u32, u16 := func(n int64) uint32 { return uint32(n) }, func(n int) uint16 { return uint16(n) }
	for what, c := range map[string]change{
		"a circle":                          {field(b, nkChildList), listItems, u32(int64(field(a, nkChildList)))},
		"an index root in itself":           {field(b, nkChildList), listItems, u32(int64(field(b, nkChildList)))},
		"a node below itself":               {field(a, nkChildList), listItems, u32(int64(a))},
		"the root below a node":             {field(a, nkChildList), listItems + 8, u32(int64(root))},
		"a node twice":                      {field(a, nkChildList), listItems + 8, u32(int64(field(field(a, nkChildList), listItems)))},
		"a free cell of negative size":      {a, -4, u32(-0x80000000)},
		"a cell of no size":                 {a, -4, u32(0)},
		"a cell in no use":                  {a, -4, u32(88)},
		"a cell past the end":               {a, -4, u32(-0x10000000)},
		"a cell that overlaps the next":     {a, -4, u32(-96)},
		"a cell of odd size":                {a, -4, u32(-90)},
		"children without number":           {a, nkChildren, u32(0xffffffff)},
		"too many children":                 {a, nkChildren, u32(6)},
		"too few children":                  {a, nkChildren, u32(4)},
		"a list too long":                   {field(a, nkChildList), listCount, u16(0xffff)},
		"leaves too many":                   {field(b, nkChildList), listCount, u16(0xffff)},
		"a list of no kind":                 {field(a, nkChildList), 0, u16(0x7878)},
		"a list that is a node":             {a, nkChildList, u32(int64(b))},
		"a list nowhere":                    {a, nkChildList, u32(0x7fffffff)},
		"a list at an odd place":            {a, nkChildList, u32(int64(field(a, nkChildList)) + 2)},
		"a list inside a cell":              {a, nkChildList, u32(int64(field(a, nkChildList)) + 8)},
		"a child nowhere":                   {field(a, nkChildList), listItems, u32(0xfffffff8)},
		"a name past the record":            {a, nkNameLen, u16(0xffff)},
		"a node of no kind":                 {a, 0, u16(0x7878)},
		"values without number":             {a, nkValues, u32(0xffffffff)},
		"too many values":                   {a, nkValues, u32(100)},
		"values nowhere":                    {a, nkValueList, u32(0xffffffff)},
		"a value that is a node":            {field(a, nkValueList), 0, u32(int64(b))},
		"a value's name past the record":    {vk("four"), vkNameLen, u16(0x7fff)},
		"inline data of 5 bytes":            {vk("four"), vkDataLen, u32(0x80000005)},
		"data of 2 GiB":                     {vk("big"), vkDataLen, u32(0x7fffffff)},
		"data nowhere":                      {vk("big"), vkData, u32(0x7ffffff8)},
		"data with too many segments":       {big, dbCount, u16(0xffff)},
		"data with too few segments":        {big, dbCount, u16(1)},
		"segments nowhere":                  {big, dbList, u32(0xffffffff)},
		"a segment nowhere":                 {field(big, dbList), 0, u32(0)},
		"a segment that is a node":          {field(big, dbList), 0, u32(int64(a))},
		"a class nowhere":                   {b, nkClass, u32(12)},
		"security nowhere":                  {b, nkSecurity, u32(16)},
		"security that is a node":           {b, nkSecurity, u32(int64(a))},
		"a descriptor longer than its cell": {field(b, nkSecurity), skSize, u32(0x7fffffff)},
	} {
		t.Run(what, func(t *testing.T) {
			data := bytes.Clone(h.data)
			if _, err := binary.Encode(data[c.cell.offset()+4+int64(c.field):], le, c.to); err != nil {
				t.Fatal(err)
			}
			bad, err := Parse(data, 0)
			if err != nil {
				t.Fatal(err)
			}
			// That cells overlap only shows when all are looked at.
			if _, err := walk(bad); !errors.Is(err, ErrCorrupt) && what != "a cell that overlaps the next" {
				t.Errorf("read without an error of it: %v", err)
			}
			lenient, err := Parse(data, Unsafe)
			if err != nil {
				t.Fatal(err)
			}
			if nodes, _ := walk(lenient); nodes == 0 {
				t.Error("nothing can be read")
			}
			w, err := Parse(data, Write)
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Error(err)
				}
				return
			}
			if len(w.Faults()) == 0 {
				// These two refer to nothing, and harm nobody else.
				if what != "a descriptor longer than its cell" && what != "inline data of 5 bytes" {
					t.Error("no fault found")
				}
				return
			}
			// What is not at fault can still be edited, and nothing else changes.
			size := len(w.data)
			id, err := w.AddChild(mustRoot(t, w), "new")
			if err != nil {
				return // the root's list is at fault
			}
			if err := w.SetValue(id, Value{"v", String, StringData("text")}); err != nil {
				t.Error(err)
			}
			if err := w.DeleteChild(id); err != nil {
				t.Error(err)
			}
			root, _ := w.node(mustRoot(t, w))
			for i, c := range h.data[headerSize:size] {
				at := ref(i)
				if at >= root.at && int64(at) < int64(root.at)+4+nkName || c == data[headerSize+i] && c == w.data[headerSize+i] {
					continue
				}
				if w.data[headerSize+i] != data[headerSize+i] && !inRecord(w, root, at) {
					t.Fatalf("byte %#x of a faulty hive was changed", at.offset())
				}
			}
		})
	}
}

// inRecord reports whether a byte belongs to the security record of a node, whose count
// may change.
func inRecord(h *Hive, n node, at ref) bool {
	s := getRef(n.b[nkSecurity:])
	return at >= s+4+skShares && at < s+4+skShares+4
}

// Headers and bins that make no sense.
func TestCorruptHeader(t *testing.T) {
	good := sample(t).data
	for what, c := range map[string]struct {
		at         int
		to         uint32
		read, edit error
	}{
		"another signature":    {0, 0x66676571, ErrNotHive, ErrNotHive},
		"version 2":            {hdrMajor, 2, ErrNotHive, ErrNotHive},
		"version 1.1":          {hdrMinor, 1, ErrNotHive, ErrNotHive},
		"a log":                {hdrFileType, 6, ErrNotHive, ErrNotHive},
		"a root nowhere":       {hdrRoot, 0xffffffff, ErrCorrupt, ErrCorrupt},
		"a root in a bin":      {hdrRoot, 0, ErrCorrupt, ErrCorrupt},
		"no bins":              {hdrBinsSize, 0, ErrCorrupt, ErrCorrupt},
		"half a bin":           {hdrBinsSize, 2048, nil, ErrCorrupt},
		"bins past the file":   {hdrBinsSize, 0xfffff000, nil, ErrCorrupt},
		"a bin of no kind":     {headerSize, 0x78787878, nil, ErrCorrupt},
		"a bin of no size":     {headerSize + 8, 0, nil, ErrCorrupt},
		"a bin of 2 GiB":       {headerSize + 8, 0x80000000, nil, ErrCorrupt},
		"a bin of odd size":    {headerSize + 8, 4097, nil, ErrCorrupt},
		"a bin somewhere else": {headerSize + 4, 4096, nil, ErrCorrupt},
	} {
		t.Run(what, func(t *testing.T) {
			data := bytes.Clone(good)
			le.PutUint32(data[c.at:], c.to)
			for flags, want := range map[Flag]error{0: c.read, Write: c.edit} {
				h, err := Parse(data, flags)
				if err == nil {
					_, err = h.Root()
				}
				if want == nil && err != nil || !errors.Is(err, want) {
					t.Errorf("flags %d: %v, want %v", flags, err, want)
				}
			}
		})
	}
	for _, size := range []int{0, 1, headerSize - 1} {
		if _, err := Parse(make([]byte, size), 0); !errors.Is(err, ErrNotHive) {
			t.Error(size, err)
		}
	}
	if _, err := Open(nil, MaxSize+1, 0); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := Parse(good[:headerSize], 0); err != nil {
		t.Error(err)
	} else if h, _ := Parse(good[:headerSize], 0); h != nil {
		if _, err := h.Root(); !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	}
}
