package hive

import "slices"

// How many items fit into a list that fits into a bin of 4 KiB, which is what Windows
// makes; and into an index root, whose count has 16 bits.
const (
	maxCell   = binAlign - binHeader - 4 // bytes in a cell of such a bin
	maxHashed = (maxCell - listItems) / 8
	maxIndex  = (maxCell - listItems) / 4
	maxLeaves = 0xffff
)

func maxItems(kind string) int {
	if kind == "li" {
		return maxIndex
	}
	return maxHashed
}

// leafKind returns the kind of leaf that is made in a hive of this version.
func (h *Hive) leafKind() string {
	switch {
	case h.minor >= 5:
		return "lh"
	case h.minor >= 3:
		return "lf"
	}
	return "li"
}

// newItem returns an item of a leaf.
func newItem(kind string, child ref, name units) []byte {
	b := le.AppendUint32(nil, uint32(child))
	switch kind {
	case "lh":
		b = le.AppendUint32(b, name.upper().hash())
	case "lf":
		hint := name.hint()
		b = append(b, hint[:]...)
	}
	return b
}

// A listEdit is a change of the lists of a node's children, all of whose new cells
// are there. Until it is applied nothing that exists has changed.
type listEdit struct {
	list  ref        // what the node is to refer to
	fills []listFill // cells whose content is replaced
	frees []ref
}

type listFill struct {
	at      ref
	content []byte
}

// put stores a list: in the cell of its old state, if there is one with room that
// nobody else can refer to.
func (e *listEdit) put(a *allocation, old ref, kind string, items []byte) ref {
	size := 4
	if kind != "ri" {
		size = stride(kind)
	}
	content := append([]byte(kind), 0, 0)
	le.PutUint16(content[listCount:], uint16(len(items)/size))
	content = append(content, items...)
	if old != none {
		if size, err := a.h.cellSize(old); err == nil && a.h.edit.sound && int64(len(content)) <= size {
			e.fills = append(e.fills, listFill{old, content})
			return old
		}
		e.frees = append(e.frees, old)
	}
	room := len(content)
	if old != none && room < maxCell { // it grows
		room = min(room+room/2, maxCell)
	}
	return a.storeIn(room, content)
}

// finish decides how the node refers to its leaves. old is what it refers to.
func (e *listEdit) finish(a *allocation, old ref, leaves []ref) {
	_, _, err := a.h.record(old, "ri", listItems)
	isRoot := old != none && err == nil
	if len(leaves) <= 1 {
		e.list = none
		if len(leaves) == 1 {
			e.list = leaves[0]
		}
		if isRoot {
			e.frees = append(e.frees, old)
		}
		return
	}
	var items []byte
	for _, l := range leaves {
		items = le.AppendUint32(items, uint32(l))
	}
	if !isRoot {
		old = none
	}
	e.list = e.put(a, old, "ri", items)
}

// apply makes the change to a node.
func (e *listEdit) apply(h *Hive, parent ref) {
	for _, f := range e.fills {
		b := h.data[f.at.offset()+4:]
		size := -le.Uint32(h.data[f.at.offset():]) - 4
		clear(b[copy(b, f.content):size])
	}
	putRef(h.data[parent.offset()+4+nkChildList:], e.list)
	h.edit.changed = true
	for _, at := range e.frees {
		h.free(at)
	}
}

// listRefs returns where the lists are.
func listRefs(leaves []leaf) []ref {
	refs := make([]ref, len(leaves))
	for i, l := range leaves {
		refs[i] = l.at
	}
	return refs
}

// insert prepares that a child is put into the lists of a node, where its name
// belongs.
func (h *Hive) insert(a *allocation, parent node, child ref, name units) *listEdit {
	e := &listEdit{}
	leaves, err := h.leaves(parent)
	i, j := 0, 0
	if err == nil && len(leaves) > 0 {
		i, j, err = h.place(leaves, name.upper())
	}
	if err != nil { // also if Unsafe bears it: the lists would not be whole
		a.err = err
		return e
	}
	old := none
	lists := listRefs(leaves)
	if len(leaves) == 0 {
		kind := h.leafKind()
		lists = []ref{e.put(a, none, kind, newItem(kind, child, name))}
		e.finish(a, old, lists)
		return e
	}
	old = getRef(parent.b[nkChildList:])
	l := leaves[i]
	size := stride(l.kind)
	item := newItem(l.kind, child, name)
	items := slices.Insert(slices.Clone(l.b), j*size, item...)
	switch {
	case l.n < maxItems(l.kind):
		lists[i] = e.put(a, l.at, l.kind, items)
	case len(leaves) == maxLeaves:
		a.err = ErrTooLarge
	case j == l.n && i == len(leaves)-1: // names that come in order fill their lists
		lists = append(lists, e.put(a, none, l.kind, item))
	default:
		half := (l.n + 1) / 2 * size
		e.frees = append(e.frees, l.at)
		lists = slices.Replace(lists, i, i+1,
			e.put(a, none, l.kind, items[:half]), e.put(a, none, l.kind, items[half:]))
	}
	e.finish(a, old, lists)
	return e
}

// place returns before which item of which leaf a name belongs.
//
// Preconditions: there are leaves.
func (h *Hive) place(leaves []leaf, name units) (i, j int, err error) {
	if h.edit.ordered {
		i, j, _, err = h.search(leaves, name)
		return i, j, err
	}
	for i, l := range leaves {
		for j := range l.n {
			child, err := h.nodeAt(l.ref(j))
			if err != nil {
				continue // there is no better place for it
			}
			if name.compareStored(child.storedName(), child.compressed()) < 0 {
				return i, j, nil
			}
		}
	}
	i = len(leaves) - 1
	return i, leaves[i].n, nil
}

// remove prepares that a child is taken from the lists of a node.
func (h *Hive) remove(a *allocation, parent node, child ref) *listEdit {
	e := &listEdit{}
	leaves, err := h.leaves(parent)
	if err != nil {
		a.err = err
		return e
	}
	lists := listRefs(leaves)
	for i, l := range leaves {
		for j := range l.n {
			if l.ref(j) != child {
				continue
			}
			size := stride(l.kind)
			if l.n == 1 {
				e.frees = append(e.frees, l.at)
				lists = slices.Delete(lists, i, i+1)
			} else {
				lists[i] = e.put(a, l.at, l.kind, slices.Delete(slices.Clone(l.b), j*size, (j+1)*size))
			}
			e.finish(a, getRef(parent.b[nkChildList:]), lists)
			return e
		}
	}
	a.err = corrupt(parent.at, "the node does not list its child at %#x", child.offset())
	return e
}
