package ldm

import (
	"fmt"

	"github.com/unboot/unboot/volume"
)

// maxFragments bounds the entries that a record can be spread over. Windows takes two.
const maxFragments = 16

// records returns the records of a database, each put together from its fragments, in
// ldmtool's order: those of one fragment come first. Of a damaged one it returns what is
// whole, and what is wrong with the rest.
func (db *database) records(m *volume.Member) (list [][]byte, problems []string) {
	size := min(db.size, db.count*db.record, maxDatabase)
	b := make([]byte, max(size, 0))
	if m.ReadFull(b, db.off) != nil {
		return nil, []string{"the database cannot be read"}
	}
	type spread struct {
		parts [][]byte
		have  int
	}
	groups := map[uint32]*spread{}
	var order []uint32
	for off := db.first; off+db.record <= int64(len(b)); off += db.record {
		e := b[off : off+db.record]
		if string(e[:4]) != "VBLK" {
			problems = append(problems, fmt.Sprintf("the database ends at offset %d, before its end", off))
			break
		}
		id, index, total := be.Uint32(e[8:]), be.Uint16(e[12:]), be.Uint16(e[14:])
		switch {
		case total == 0: // not in use
		case index >= total || total > maxFragments:
			problems = append(problems, fmt.Sprintf("a record is said to be the part %d of %d", index, total))
		case total == 1:
			list = append(list, e[16:])
		default:
			g := groups[id]
			if g == nil {
				g = &spread{parts: make([][]byte, total)}
				groups[id] = g
				order = append(order, id)
			}
			if int(index) >= len(g.parts) || g.parts[index] != nil {
				problems = append(problems, fmt.Sprintf("the record %d has a part twice", id))
				continue
			}
			g.parts[index] = e[16:]
			g.have++
		}
	}
	for _, id := range order {
		g := groups[id]
		if g.have != len(g.parts) {
			problems = append(problems, fmt.Sprintf("the record %d has %d of its %d parts", id, g.have, len(g.parts)))
			continue
		}
		var whole []byte
		for _, p := range g.parts {
			whole = append(whole, p...)
		}
		list = append(list, whole)
	}
	return list, problems
}

// A cursor reads the fields of a record. Once one does not fit, all are zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || n > len(c.b) {
		c.bad = true
		return make([]byte, n)
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) byte() byte  { return c.take(1)[0] }
func (c *cursor) u32() uint32 { return be.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return be.Uint64(c.take(8)) }

// text reads a string with its length before it.
func (c *cursor) text() string { return cstring(c.take(int(c.byte()))) }

// number reads a number with its length before it.
func (c *cursor) number() (n uint64) {
	size := int(c.byte())
	if size > 8 {
		c.bad = true
	}
	for _, b := range c.take(size) {
		n = n<<8 | uint64(b)
	}
	if c.bad {
		return 0
	}
	return n
}

// sectors reads a number of sectors, which are always of 512 bytes in records, and returns
// it in bytes.
func (c *cursor) sectors(n uint64) int64 {
	size, ok := scale(n, volume.SectorSize)
	if !ok {
		c.bad = true
	}
	return size
}
