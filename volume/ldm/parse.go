package ldm

import (
	"fmt"

	"github.com/unboot/unboot/volume/internal/field"
)

// tables are the records of a database by their types.
type tables struct {
	volumes    []*Volume
	components []*Component
	partitions []*Partition
	disks      []*Disk
	name       string // of the group
}

// flags of the components and partitions that Windows does not take to be up to date.
const (
	componentDoubtful = 0x02 | 0x04 | 0x08 // to be recovered, failed, pending
	partitionDoubtful = 0x08 | 0x10        // to be recovered, detached
)

// add parses a record, whose head says its type and which of the optional fields it has.
func (t *tables) add(b []byte, db *database) error {
	c := &cursor{b: b}
	head := c.take(8)
	if c.bad {
		return fmt.Errorf("a record is too short")
	}
	typ, revision, flags := head[3]&0x0f, head[3]>>4, head[2]
	if typ == 0 || !db.active(be.Uint16(head)) {
		return nil
	}
	if n := int64(be.Uint32(head[4:])); n < int64(len(c.b)) {
		c.b = c.b[:n]
	}
	id, name := c.number(), c.text()
	bad := func(what string) error {
		if !c.bad {
			return nil
		}
		return fmt.Errorf("the record of the %s %q (%d) does not fit its size", what, name, id)
	}
	switch {
	case typ == 1 && revision == 5:
		v := parseVolume(c, flags)
		if v.id, v.Name = id, name; !c.bad {
			t.volumes = append(t.volumes, v)
		}
		return bad("volume")
	case typ == 2 && revision == 3:
		v := parseComponent(c, flags)
		if v.id, v.Name = id, name; !c.bad {
			t.components = append(t.components, v)
		}
		return bad("component")
	case typ == 3 && revision == 3:
		v := parsePartition(c, flags)
		if v.id, v.Name = id, name; !c.bad {
			t.partitions = append(t.partitions, v)
		}
		return bad("partition")
	case typ == 4 && (revision == 3 || revision == 4):
		d := &Disk{id: id, Name: name}
		if revision == 3 {
			d.GUID = guidText([]byte(c.text()))
		} else {
			d.GUID = field.UUID(c.take(16))
		}
		if !c.bad {
			t.disks = append(t.disks, d)
		}
		return bad("disk")
	case typ == 5 && (revision == 3 || revision == 4):
		if !c.bad {
			t.name = name
		}
		return bad("disk group")
	}
	return fmt.Errorf("a record of the type %d, revision %d, is not known", typ, revision)
}

func parseVolume(c *cursor, flags byte) *Volume {
	v := &Volume{}
	v.raid5 = c.text() == "raid5"
	c.text() // whether it is to have a drive letter
	v.State = cstring(c.take(14))
	c.byte()   // how mirrors are read: another word for the type
	c.number() // of the volume
	c.take(4)  // flags
	v.children = c.number()
	c.take(16) // transactions
	v.Size = c.sectors(c.number())
	c.take(4)
	v.PartType = c.byte()
	v.GUID = field.UUID(c.take(16))
	if flags&0x08 != 0 {
		c.text()
	}
	if flags&0x20 != 0 {
		c.text()
	}
	if flags&0x80 != 0 {
		c.number() // the size of a column
	}
	if flags&0x02 != 0 {
		v.Hint = c.text()
	}
	return v
}

func parseComponent(c *cursor, flags byte) *Component {
	v := &Component{}
	v.State = c.text()
	v.Layout = Layout(c.byte())
	v.Doubtful = c.u32()&componentDoubtful != 0
	v.children = c.number()
	c.take(16) // transactions
	v.parent = c.number()
	c.number() // a log
	if flags&0x10 != 0 {
		v.Chunk = c.sectors(c.number())
		v.columns = c.number()
	}
	return v
}

func parsePartition(c *cursor, flags byte) *Partition {
	v := &Partition{}
	v.Doubtful = c.u32()&partitionDoubtful != 0
	c.take(8) // transaction
	v.Start = c.sectors(c.u64())
	v.Offset = c.sectors(c.u64())
	v.Size = c.sectors(c.number())
	v.parent = c.number()
	v.disk = c.number()
	if flags&0x08 != 0 {
		v.Column = c.number()
	}
	if v.Start+v.Size < 0 || v.Offset+v.Size < 0 {
		c.bad = true
	}
	return v
}
