package hive

import "fmt"

// DeleteChild deletes a node with its values, and all below it
// (hivex_node_delete_child). The root cannot be deleted: ErrInvalid.
func (h *Hive) DeleteChild(id NodeID) error {
	if err := h.deleteChild(id); err != nil {
		return fmt.Errorf("delete node %#x: %w", uint32(id), err)
	}
	return nil
}

func (h *Hive) deleteChild(id NodeID) error {
	if h.edit == nil {
		return ErrReadOnly
	}
	n, err := h.node(id)
	if err != nil {
		return err
	}
	root, err := h.root()
	if err != nil {
		return err
	}
	if n.at == root {
		return fmt.Errorf("the root: %w", ErrInvalid)
	}
	at := getRef(n.b[nkParent:])
	if !h.edit.has(at, cellNode) {
		return corrupt(n.at, "the node's parent is not a node")
	}
	parent, err := h.nodeAt(at)
	if err != nil {
		return err
	}
	a := allocation{h: h}
	change := h.remove(&a, parent, n.at)
	if a.failed() {
		return a.err
	}
	change.apply(h, at)
	b := h.data[at.offset()+4:]
	le.PutUint32(b[nkChildren:], le.Uint32(b[nkChildren:])-1)
	le.PutUint64(b[nkTime:], h.now())
	if h.edit.sound {
		h.freeTree(n.at)
	} else { // another branch may have a part of what is below
		h.edit.clear(n.at, cellNode)
		h.share(getRef(n.b[nkSecurity:]), -1)
	}
	return nil
}

// freeTree frees a node that nothing refers to any more, and all below it.
//
// Preconditions: the hive is sound, so that all of it can be read, and nothing is
// met twice.
func (h *Hive) freeTree(at ref) {
	todo := []ref{at}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		n, err := h.nodeAt(at)
		if err != nil {
			continue
		}
		leaves, _ := h.leaves(n)
		for _, l := range leaves {
			for i := range l.n {
				todo = append(todo, l.ref(i))
			}
		}
		if n.u32(nkChildren) > 0 {
			if list := getRef(n.b[nkChildList:]); len(leaves) == 0 || leaves[0].at != list {
				h.free(list)
			}
		}
		for _, l := range leaves {
			h.free(l.at)
		}
		h.freeValues(n)
		if class := getRef(n.b[nkClass:]); le.Uint16(n.b[nkClassLen:]) != 0 && class != none {
			h.free(class)
		}
		h.share(getRef(n.b[nkSecurity:]), -1)
		h.free(at)
	}
}

// freeValues frees the values of a node, and the list of them.
func (h *Hive) freeValues(n node) {
	list, err := h.valueRefs(n)
	if err != nil || len(list) == 0 {
		return
	}
	for ; len(list) > 0; list = list[4:] {
		h.freeValue(getRef(list))
	}
	h.free(getRef(n.b[nkValueList:]))
}

// freeValue frees a value and its data, if the hive is sound.
func (h *Hive) freeValue(at ref) {
	if !h.edit.sound {
		return
	}
	v, err := h.valueAt(at)
	if err != nil {
		return
	}
	for _, data := range h.dataCells(v, func(error) {}) {
		h.free(data)
	}
	h.free(at)
}
