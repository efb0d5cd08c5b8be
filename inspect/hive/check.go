package hive

import "fmt"

// An editor is what is known about each cell of a hive that is open for writing.
type editor struct {
	// state has a byte for every place where a cell can begin.
	state []uint8
	space space

	// sound: all that the tree refers to can be read, and each cell has one owner.
	// Only then may a cell be freed.
	sound   bool
	faults  []error
	ordered bool        // all subkey lists are in the order of the names
	shares  map[ref]int // how many nodes refer to each security record
	changed bool        // since the last commit
}

// The bits of a byte of state.
const (
	cellStart = 1 << iota // a cell begins here
	cellOwned             // something reachable refers to it
	cellNode              // it is a node that can be reached
	cellValue             // it is a value of such a node
)

const maxFaults = 100 // that are kept

// Preconditions: at is inside the bins.
func (e *editor) has(at ref, bit uint8) bool {
	i := int(at / cellAlign)
	return at%cellAlign == 0 && i < len(e.state) && e.state[i]&bit != 0
}

func (e *editor) set(at ref, bits uint8)   { e.state[at/cellAlign] |= bits }
func (e *editor) clear(at ref, bits uint8) { e.state[at/cellAlign] &^= bits }

func (e *editor) fault(err error) {
	e.sound = false
	if len(e.faults) < maxFaults {
		e.faults = append(e.faults, err)
	}
}

// Faults returns what is wrong with a hive that is open for writing, at most 100
// errors. Such a hive is only added to: see the package's documentation.
func (h *Hive) Faults() []error {
	if h.edit == nil {
		return nil
	}
	return h.edit.faults
}

// startEditing reads the whole hive and checks it.
func (h *Hive) startEditing() error {
	if err := h.loadAll(); err != nil {
		return err
	}
	e := &editor{
		state:   make([]uint8, (len(h.data)-headerSize)/cellAlign),
		sound:   true,
		ordered: true,
		shares:  make(map[ref]int),
	}
	e.space.init()
	h.edit = e
	if err := h.checkBins(); err != nil {
		return err
	}
	root, err := h.root()
	if err != nil {
		return err
	}
	h.checkTree(root)
	if !e.sound {
		// What cannot be read may refer to a free cell, or into one.
		e.space.init()
	}
	return nil
}

// checkBins notes where cells begin.
func (h *Hive) checkBins() error {
	bins := h.data[headerSize:]
	for off := 0; off < len(bins); {
		bin := bins[off:]
		if len(bin) < binHeader || string(bin[:4]) != "hbin" {
			return corrupt(ref(off), "no bin here")
		}
		size := int(le.Uint32(bin[8:]))
		if size < binAlign || size%binAlign != 0 || size > len(bin) {
			return corrupt(ref(off), "a bin of %d bytes", size)
		}
		if at := le.Uint32(bin[4:]); at != uint32(off) {
			return corrupt(ref(off), "a bin that belongs to offset %#x", at)
		}
		for c := binHeader; c < size; {
			n := int(int32(le.Uint32(bin[c:])))
			free := n > 0
			n = max(n, -n)
			if n < cellAlign || n%cellAlign != 0 || n > size-c {
				return corrupt(ref(off+c), "a cell of %d bytes", n)
			}
			h.edit.set(ref(off+c), cellStart)
			if free {
				h.edit.space.add(ref(off+c), uint32(n))
			}
			c += n
		}
		off += size
	}
	return nil
}

// claim notes that something refers to an allocated cell, and reports whether nothing
// did before.
func (h *Hive) claim(at ref, what string) bool {
	if _, err := h.cellSize(at); err != nil {
		h.edit.fault(fmt.Errorf("%s: %w", what, err))
		return false
	}
	if h.edit.has(at, cellOwned) {
		h.edit.fault(corrupt(at, "%s belongs to something else, too", what))
		return false
	}
	h.edit.set(at, cellOwned)
	return true
}

// checkTree claims all that can be reached. A node that was found is not
// descended into again, so that a circle ends.
func (h *Hive) checkTree(root ref) {
	todo := []node{}
	push := func(at ref, parent *node) {
		n, err := h.nodeAt(at)
		if err != nil {
			h.edit.fault(err)
			return
		}
		if parent != nil && getRef(n.b[nkParent:]) != parent.at {
			h.edit.fault(corrupt(at, "the parent of the node is another"))
		}
		if h.claim(at, "a node") {
			h.edit.set(at, cellNode)
			todo = append(todo, n)
		}
	}
	push(root, nil)
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		h.checkValues(n)
		h.checkSecurity(n)
		if le.Uint16(n.b[nkClassLen:]) != 0 {
			if class := getRef(n.b[nkClass:]); class != none {
				h.claim(class, "the class of a node")
			}
		}
		leaves, err := h.leaves(n)
		if err != nil {
			h.edit.fault(err)
		}
		if n.u32(nkChildren) > 0 {
			list := getRef(n.b[nkChildList:])
			h.claim(list, "the list of a node's children")
			if len(leaves) > 0 && leaves[0].at == list {
				leaves[0].at = none // claimed
			}
		}
		var last units
		for _, l := range leaves {
			if l.at != none && !h.claim(l.at, "a leaf of the list of a node's children") {
				continue
			}
			h.edit.ordered = h.edit.ordered && l.n > 0
			for i := range l.n {
				at := l.ref(i)
				push(at, &n)
				child, err := h.nodeAt(at)
				if err != nil {
					h.edit.ordered = false
					continue
				}
				if h.edit.ordered && len(last) > 0 && last.compareStored(child.storedName(), child.compressed()) >= 0 {
					h.edit.ordered = false
				}
				last = upperStored(last[:0], child)
			}
		}
	}
}

// checkValues claims a node's values and what they have.
func (h *Hive) checkValues(n node) {
	list, err := h.valueRefs(n)
	if err != nil {
		h.edit.fault(err)
	}
	if len(list) == 0 || !h.claim(getRef(n.b[nkValueList:]), "the list of a node's values") {
		return
	}
	for ; len(list) > 0; list = list[4:] {
		v, err := h.valueAt(getRef(list))
		if err != nil {
			h.edit.fault(err)
			continue
		}
		if !h.claim(v.at, "a value") {
			continue
		}
		h.edit.set(v.at, cellValue)
		for _, at := range h.dataCells(v, h.edit.fault) {
			h.claim(at, "the data of a value")
		}
	}
}

// dataCells returns the cells of a value's data, and calls fault for each thing that is
// wrong with them.
func (h *Hive) dataCells(v value, fault func(error)) []ref {
	size := int64(le.Uint32(v.b[vkDataLen:]))
	if size == 0 || size&inline != 0 {
		return nil
	}
	at := getRef(v.b[vkData:])
	b, cell, err := h.cell(at, dbSize)
	if err != nil {
		fault(err)
		return nil
	}
	cells := []ref{at}
	if h.isBig(size, cell, b) {
		cells = append(cells, getRef(b[dbList:]))
		err = h.segments(at, b, size, func(segment ref, _ []byte) { cells = append(cells, segment) })
		if err != nil {
			fault(err)
		}
	}
	return cells
}

// checkSecurity counts who refers to a security record. Nodes share them, so it is
// owned by all.
func (h *Hive) checkSecurity(n node) {
	at := getRef(n.b[nkSecurity:])
	if at == none {
		return
	}
	e := h.edit
	if e.shares[at] == 0 {
		if _, _, err := h.record(at, "sk", skDescriptor); err != nil {
			e.fault(err)
			return
		}
		if !h.claim(at, "a security record") {
			return
		}
	}
	e.shares[at]++
}
