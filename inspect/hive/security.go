package hive

import (
	"bytes"
	"fmt"
)

// Fields of a security record, "sk", in bytes from its beginning. All of a hive are
// in a ring.
const (
	skNext       = 4
	skPrevious   = 8
	skShares     = 12 // how many nodes refer to it
	skSize       = 16
	skDescriptor = 20
)

// NodeSecurity returns a copy of the security descriptor of a node, in Windows's
// self-relative form. Nothing is checked about it.
func (h *Hive) NodeSecurity(id NodeID) ([]byte, error) {
	n, err := h.node(id)
	if err != nil {
		return nil, err
	}
	at := getRef(n.b[nkSecurity:])
	b, cell, err := h.record(at, "sk", skDescriptor)
	if err != nil {
		return nil, fmt.Errorf("security of node %#x: %w", uint32(id), err)
	}
	size := int64(le.Uint32(b[skSize:]))
	if size > cell-skDescriptor {
		return nil, corrupt(at, "a security descriptor of %d bytes in %d", size, cell)
	}
	b, err = h.view(at.offset()+4+skDescriptor, size)
	return bytes.Clone(b), err
}

// share notes that n more nodes refer to a security record, or fewer. One that
// nobody refers to leaves the ring.
func (h *Hive) share(at ref, n int) {
	e := h.edit
	b, _, err := h.record(at, "sk", skDescriptor)
	if err != nil || e.shares[at] == 0 {
		return
	}
	e.shares[at] += n
	le.PutUint32(b[skShares:], uint32(e.shares[at]))
	if e.shares[at] > 0 || !e.sound {
		return
	}
	next, previous := getRef(b[skNext:]), getRef(b[skPrevious:])
	nb, _, err1 := h.record(next, "sk", skDescriptor)
	pb, _, err2 := h.record(previous, "sk", skDescriptor)
	if err1 != nil || err2 != nil || getRef(nb[skPrevious:]) != at || getRef(pb[skNext:]) != at ||
		next == at || previous == at {
		return // a broken ring stays as it is
	}
	putRef(nb[skPrevious:], previous)
	putRef(pb[skNext:], next)
	delete(e.shares, at)
	h.free(at)
}
