package hive

import (
	"bytes"
	"cmp"
)

// Subkey lists. A node with few children refers to a leaf: an index leaf (li) of
// refs, a fast leaf (lf), where the beginning of the name follows each ref, or a
// hash leaf (lh), where the hash of the name does. With more of them it refers to
// an index root (ri), a list of leaves. All are in the order of the names.
const (
	listCount = 2 // how many, two bytes
	listItems = 4
)

// minNode is the size of the smallest cell that holds a node.
const minNode = 80

// A leaf is one of the lists of a node's children.
type leaf struct {
	at   ref
	kind string // "li", "lf", "lh"
	n    int
	b    []byte // n items
}

// stride returns the size of an item.
func stride(kind string) int {
	if kind == "li" {
		return 4
	}
	return 8
}

func (l leaf) item(i int) []byte {
	s := stride(l.kind)
	return l.b[i*s : (i+1)*s]
}

func (l leaf) ref(i int) ref { return getRef(l.item(i)) }

// leafAt reads a leaf. n is 0 if it is none, but an index root.
func (h *Hive) leafAt(at ref) (l leaf, b []byte, err error) {
	b, cell, err := h.cell(at, listItems)
	if err != nil {
		return leaf{}, nil, err
	}
	kind := string(b[:2])
	n := int64(le.Uint16(b[listCount:]))
	size := int64(4)
	switch kind {
	case "lf", "lh":
		size = 8
	case "li", "ri":
	default:
		return leaf{}, nil, corrupt(at, "not a list of nodes")
	}
	if n*size > cell-listItems {
		return leaf{}, nil, corrupt(at, "a list of %d nodes in %d bytes", n, cell)
	}
	if b, err = h.view(at.offset()+4+listItems, n*size); err != nil {
		return leaf{}, nil, err
	}
	if kind == "ri" {
		n = 0
	}
	return leaf{at, kind, int(n), b}, b, nil
}

// leaves returns the lists of a node's children. What can be read of them comes
// with an error, too.
func (h *Hive) leaves(n node) (leaves []leaf, err error) {
	count := int64(n.u32(nkChildren))
	if count == 0 {
		return nil, nil
	}
	if count > h.size()/minNode {
		return nil, corrupt(n.at, "a node with %d children", count)
	}
	add := func(l leaf) error {
		if count -= int64(l.n); count < 0 {
			return corrupt(n.at, "a node with more than %d children", n.u32(nkChildren))
		}
		leaves = append(leaves, l)
		return nil
	}
	first, items, err := h.leafAt(getRef(n.b[nkChildList:]))
	if err != nil {
		return nil, err
	}
	if first.kind != "ri" {
		err = add(first)
	} else {
		for ; len(items) > 0 && err == nil; items = items[4:] {
			l, _, e := h.leafAt(getRef(items))
			if err = e; err != nil {
				break
			}
			if l.kind == "ri" {
				err = corrupt(l.at, "an index root in an index root")
				break
			}
			err = add(l)
		}
	}
	if err == nil && count != 0 {
		err = corrupt(n.at, "a node with %d children lists %d", n.u32(nkChildren), int64(n.u32(nkChildren))-count)
	}
	return leaves, err
}

// find returns the child with a name, which is in upper case, none if there is no
// such child. An error means that a child which cannot be read might be it.
func (h *Hive) find(n node, name units) (ref, error) {
	leaves, fault := h.leaves(n)
	if h.edit != nil && h.edit.ordered && fault == nil {
		i, j, found, err := h.search(leaves, name)
		if err != nil || !found {
			return none, err
		}
		return leaves[i].ref(j), nil
	}
	// The program that made the file may have got the hashes wrong, or the order: they are
	// good for a child that is there.
	hash, hint := name.hash(), name.hint()
	for _, hinted := range []bool{true, false} {
		for _, l := range leaves {
			for i := range l.n {
				if hinted != likely(l, i, hash, hint) {
					continue
				}
				child, err := h.nodeAt(l.ref(i))
				if err != nil {
					fault = cmp.Or(fault, err)
					continue
				}
				if name.compareStored(child.storedName(), child.compressed()) == 0 {
					return child.at, nil
				}
			}
		}
	}
	if h.flags&Unsafe != 0 {
		return none, nil
	}
	return none, fault
}

// likely reports whether a child can have the name according to its item in a leaf.
func likely(l leaf, i int, hash uint32, hint [4]byte) bool {
	switch l.kind {
	case "lh":
		return le.Uint32(l.item(i)[4:]) == hash
	case "lf":
		b := l.item(i)[4:8]
		return b[0] == 0 || bytes.EqualFold(b, hint[:])
	}
	return true
}

// search finds a name in lists that are in order: the leaf and the item in it that
// has it, or before which it would stand. The item may be one past the leaf's last.
//
// Preconditions: there are leaves, and none is empty.
func (h *Hive) search(leaves []leaf, name units) (i, j int, found bool, err error) {
	if len(leaves) == 0 {
		return 0, 0, false, nil
	}
	compare := func(i, j int) int {
		child, e := h.nodeAt(leaves[i].ref(j))
		if e != nil {
			err = e
			return -1
		}
		return name.compareStored(child.storedName(), child.compressed())
	}
	// The last leaf that does not begin after the name.
	lo, hi := 0, len(leaves)-1
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if compare(mid, 0) < 0 {
			hi = mid - 1
		} else {
			lo = mid
		}
	}
	i = lo
	lo, hi = 0, leaves[i].n
	for lo < hi {
		mid := (lo + hi) / 2
		c := compare(i, mid)
		switch {
		case c == 0:
			return i, mid, err == nil, err
		case c < 0:
			hi = mid
		default:
			lo = mid + 1
		}
	}
	return i, lo, false, err
}
