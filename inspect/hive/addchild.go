package hive

import (
	"fmt"
	"io/fs"
)

// AddChild makes a node without values or children (hivex_node_add_child). It
// has its parent's security record. If the parent has a child of that name, in
// whatever case, the error wraps fs.ErrExist.
func (h *Hive) AddChild(parent NodeID, name string) (NodeID, error) {
	id, err := h.addChild(parent, name)
	if err != nil {
		return 0, fmt.Errorf("add child %q to node %#x: %w", name, uint32(parent), err)
	}
	return id, nil
}

func (h *Hive) addChild(parent NodeID, name string) (NodeID, error) {
	if h.edit == nil {
		return 0, ErrReadOnly
	}
	p, err := h.node(parent)
	if err != nil {
		return 0, err
	}
	u, err := checkName(name, maxNodeName)
	if err != nil {
		return 0, err
	}
	found, err := h.find(p, u.upper())
	switch {
	case err != nil:
		return 0, err
	case found != none:
		return 0, fs.ErrExist
	}
	security := getRef(p.b[nkSecurity:])
	now := h.now()

	a := allocation{h: h}
	at := a.store(newNode(u, p.at, security, now))
	change := h.insert(&a, p, at, u)
	if a.failed() {
		return 0, a.err
	}
	change.apply(h, p.at)

	h.edit.set(at, cellNode)
	h.share(security, 1)
	p, err = h.nodeAt(p.at) // its memory may have moved
	if err != nil {
		return 0, err
	}
	le.PutUint32(p.b[nkChildren:], p.u32(nkChildren)+1)
	le.PutUint64(p.b[nkTime:], now)
	longest := le.Uint16(p.b[nkMaxChildName:])
	le.PutUint16(p.b[nkMaxChildName:], max(longest, uint16(2*len(u))))
	return at.node(), nil
}

// newNode returns the record of a node without anything.
func newNode(name units, parent, security ref, now uint64) []byte {
	stored, compressed := name.encode()
	b := make([]byte, nkName+len(stored))
	copy(b, "nk")
	if compressed {
		le.PutUint16(b[nkFlags:], flagCompressed)
	}
	le.PutUint64(b[nkTime:], now)
	putRef(b[nkParent:], parent)
	for _, field := range []int{nkChildList, nkVolatileList, nkValueList, nkClass} {
		putRef(b[field:], none)
	}
	putRef(b[nkSecurity:], security)
	le.PutUint16(b[nkNameLen:], uint16(len(stored)))
	copy(b[nkName:], stored)
	return b
}
