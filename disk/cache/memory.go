package cache

import "container/list"

// A memory is a store of the blocks that were used last.
type memory struct {
	most  int
	order *list.List // of *entry, the last one used first
	byNum map[int64]*list.Element
}

type entry struct {
	i int64
	b []byte
}

func newMemory(bytes, block int64) *memory {
	return &memory{max(int(bytes/block), 1), list.New(), map[int64]*list.Element{}}
}

func (m *memory) has(i int64) bool { return m.byNum[i] != nil }

func (m *memory) get(i int64, p []byte, off int) bool {
	e := m.byNum[i]
	if e == nil {
		return false
	}
	m.order.MoveToFront(e)
	copy(p, e.Value.(*entry).b[off:])
	return true
}

func (m *memory) put(i int64, b []byte) {
	m.drop(i)
	if m.order.Len() == m.most {
		m.drop(m.order.Back().Value.(*entry).i)
	}
	// A copy, as b may be a small part of what is kept in memory for it.
	m.byNum[i] = m.order.PushFront(&entry{i, append([]byte(nil), b...)})
}

func (m *memory) drop(i int64) {
	if e := m.byNum[i]; e != nil {
		m.order.Remove(e)
		delete(m.byNum, i)
	}
}

func (m *memory) close() error { return nil }
