package hive

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
	"unicode/utf16"
)

// A NodeID is the handle of a node, never 0 (hive_node_h).
type NodeID uint32

// Fields of a node's record, "nk", in bytes from its beginning.
const (
	nkFlags        = 2
	nkTime         = 4
	nkParent       = 16
	nkChildren     = 20 // how many
	nkChildList    = 28
	nkVolatileList = 32
	nkValues       = 36 // how many
	nkValueList    = 40
	nkSecurity     = 44
	nkClass        = 48
	nkMaxChildName = 52 // bytes in UTF-16; two bytes since Vista
	nkMaxValueName = 60 // bytes in UTF-16
	nkMaxValueData = 64
	nkNameLen      = 72
	nkClassLen     = 74
	nkName         = 76
)

const (
	flagRoot       = 0x04
	flagNoDelete   = 0x08
	flagCompressed = 0x20 // the name is a byte a character
)

// A node is the record of a node in the hive's memory.
type node struct {
	at ref
	b  []byte
}

func (id NodeID) ref() ref { return ref(id - headerSize) }

func (r ref) node() NodeID { return NodeID(r + headerSize) }

// nodeAt reads the record of a node.
func (h *Hive) nodeAt(at ref) (node, error) {
	b, err := h.named(at, "nk", nkName, nkNameLen)
	return node{at, b}, err
}

// node reads the record that a handle means.
func (h *Hive) node(id NodeID) (node, error) {
	if id < headerSize || h.edit != nil && !h.edit.has(id.ref(), cellNode) {
		return node{}, fmt.Errorf("node %#x: %w", uint32(id), ErrHandle)
	}
	n, err := h.nodeAt(id.ref())
	if err != nil {
		err = handleError("node", uint32(id), err)
	}
	return n, err
}

// handleError makes what is wrong with the record of a handle an error of the
// handle: [ErrHandle] and [ErrCorrupt] are both true of it.
func handleError(kind string, id uint32, err error) error {
	if !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%s %#x: %w", kind, id, err)
	}
	return fmt.Errorf("%s %#x: %w: %w", kind, id, ErrHandle, err)
}

func (n node) u32(field int) uint32 { return le.Uint32(n.b[field:]) }

func (n node) compressed() bool { return le.Uint16(n.b[nkFlags:])&flagCompressed != 0 }

// storedName returns the name's bytes.
func (n node) storedName() []byte {
	return n.b[nkName : nkName+int(le.Uint16(n.b[nkNameLen:]))]
}

func (n node) name() string { return nameString(n.storedName(), n.compressed()) }

// upperStored appends the node's name in upper case to u.
func upperStored(u units, n node) units {
	b := n.storedName()
	if n.compressed() {
		for _, c := range b {
			u = append(u, upperUnit(uint16(c)))
		}
		return u
	}
	for i := 0; i+1 < len(b); i += 2 {
		u = append(u, upperUnit(le.Uint16(b[i:])))
	}
	return u
}

// Root returns the root node (hivex_root).
func (h *Hive) Root() (NodeID, error) {
	at, err := h.root()
	if err != nil {
		return 0, fmt.Errorf("root of the hive: %w", err)
	}
	return at.node(), nil
}

func (h *Hive) root() (ref, error) {
	header, err := h.view(0, headerSize)
	if err != nil {
		return 0, err
	}
	at := getRef(header[hdrRoot:])
	_, err = h.nodeAt(at)
	return at, err
}

// NodeName returns the name of a node (hivex_node_name). The root's is
// whatever the program that made the hive chose.
func (h *Hive) NodeName(id NodeID) (string, error) {
	n, err := h.node(id)
	if err != nil {
		return "", err
	}
	return n.name(), nil
}

// NodeTime returns when the node, its values, or the list of its children was
// changed (hivex_node_timestamp). The zero time is one that was never set.
func (h *Hive) NodeTime(id NodeID) (time.Time, error) {
	n, err := h.node(id)
	if err != nil {
		return time.Time{}, err
	}
	return fileTime(le.Uint64(n.b[nkTime:])), nil
}

// NodeClass returns the class of a node, a string that few have; those below
// SYSTEM's Lsa hold the boot key.
func (h *Hive) NodeClass(id NodeID) (string, error) {
	n, err := h.node(id)
	if err != nil {
		return "", err
	}
	size := int64(le.Uint16(n.b[nkClassLen:]))
	at := getRef(n.b[nkClass:])
	if size == 0 || at == none {
		return "", nil
	}
	b, _, err := h.cell(at, size)
	if err != nil {
		return "", fmt.Errorf("class of node %#x: %w", uint32(id), err)
	}
	return string(utf16.Decode(unitsOf(b, false))), nil
}

// Parent returns the parent of a node (hivex_node_parent). The root has none:
// ErrHandle.
func (h *Hive) Parent(id NodeID) (NodeID, error) {
	n, err := h.node(id)
	if err != nil {
		return 0, err
	}
	if root, err := h.root(); err == nil && root == n.at {
		return 0, fmt.Errorf("parent of the root: %w", ErrHandle)
	}
	parent := getRef(n.b[nkParent:])
	if _, err := h.nodeAt(parent); err != nil {
		return 0, fmt.Errorf("parent of node %#x: %w", uint32(id), err)
	}
	return parent.node(), nil
}

// Children returns the children of a node, in the order of the file, which is that
// of their names (hivex_node_children).
func (h *Hive) Children(id NodeID) ([]NodeID, error) {
	n, err := h.node(id)
	if err != nil {
		return nil, err
	}
	children, err := h.childrenOf(n)
	if err != nil {
		return nil, fmt.Errorf("children of node %#x: %w", uint32(id), err)
	}
	return children, nil
}

func (h *Hive) childrenOf(n node) ([]NodeID, error) {
	leaves, err := h.leaves(n)
	if err != nil && h.flags&Unsafe == 0 {
		return nil, err
	}
	count := 0
	for _, l := range leaves {
		count += l.n
	}
	children := make([]NodeID, 0, count)
	for _, l := range leaves {
		for i := range l.n {
			at := l.ref(i)
			if _, err := h.nodeAt(at); err != nil {
				if h.flags&Unsafe != 0 {
					continue
				}
				return nil, err
			}
			children = append(children, at.node())
		}
	}
	return children, nil
}

// Child returns the child of a node that has a name, in whatever case
// (hivex_node_get_child). If there is none the error wraps fs.ErrNotExist.
func (h *Hive) Child(id NodeID, name string) (NodeID, error) {
	n, err := h.node(id)
	if err != nil {
		return 0, err
	}
	at, err := h.find(n, toUnits(name).upper())
	if err != nil {
		return 0, fmt.Errorf("child %q of node %#x: %w", name, uint32(id), err)
	}
	if at == none {
		return 0, fmt.Errorf("child %q of node %#x: %w", name, uint32(id), fs.ErrNotExist)
	}
	return at.node(), nil
}
