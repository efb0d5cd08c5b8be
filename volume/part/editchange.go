package part

import "fmt"

// Add adds a partition and returns its number. A logical partition is numbered by its
// place, which changes the numbers of those that follow. Nothing is written to the
// partition itself.
func (e *Editor) Add(s Spec) (int, error) {
	if s.Role == "" {
		s.Role = Primary
	}
	if s.Start != -1 && (s.Start < 0 || s.Start%e.d.sector != 0) || s.Size < 0 || s.Size%e.d.sector != 0 {
		return 0, fmt.Errorf("%w place for a partition: start %d, size %d (sectors have %d bytes)", ErrInvalid, s.Start, s.Size, e.d.sector)
	}
	return e.s.add(&s)
}

// Delete deletes a partition. With an extended one, its logical partitions go. If a
// logical one goes, those that follow are renumbered.
func (e *Editor) Delete(number int) error { return e.s.remove(number) }

// Resize moves the end of a partition to end, in bytes from the start of the disk: the
// offset of the first byte after it. What is in the partition is not touched.
func (e *Editor) Resize(number int, end int64) error {
	if end < 0 || end%e.d.sector != 0 {
		return fmt.Errorf("%w end of a partition: %d (sectors have %d bytes)", ErrInvalid, end, e.d.sector)
	}
	return e.s.resize(number, uint64(end/e.d.sector))
}

// SetType sets the type: a GUID, or 0x and two hexadecimal digits. A primary partition
// becomes an extended one if there is none, with the logical ones that are described in
// it; an extended one can get another type only while there are none.
func (e *Editor) SetType(number int, kind string) error { return e.s.setType(number, kind) }

// SetBootable sets what parted(8) calls the boot flag. In an MBR table, that is the
// active flag, which is then taken from all other partitions. In a GPT, it is the type
// of an EFI system partition; without it, the type is that of a Linux file system.
// (The flag of a GPT for BIOS, which [Partition.Bootable] reports, is one of
// [Editor.SetAttributes].)
func (e *Editor) SetBootable(number int, on bool) error { return e.s.setBootable(number, on) }

// SetID sets the ID of the disk: a GUID, or 8 hexadecimal digits. With "", it gets a
// random one.
func (e *Editor) SetID(id string) error { return e.s.setID(id) }

// SetName sets the name of a partition of a GPT, which has up to 36 UTF-16 units.
func (e *Editor) SetName(number int, name string) error {
	return e.gpt(func(g *gptEdit) error { return g.setName(number, name) })
}

// SetUUID sets the PARTUUID of a partition of a GPT. With "", it gets a random one.
func (e *Editor) SetUUID(number int, uuid string) error {
	return e.gpt(func(g *gptEdit) error { return g.setUUID(number, uuid) })
}

// SetAttributes sets all attributes of a partition of a GPT.
func (e *Editor) SetAttributes(number int, attributes uint64) error {
	return e.gpt(func(g *gptEdit) error { return g.setAttributes(number, attributes) })
}

// Expand moves the backup of a GPT to the end of the disk, and makes all the disk
// usable, as "sgdisk -e" does.
func (e *Editor) Expand() error {
	return e.gpt(func(g *gptEdit) error { return g.expand() })
}

// gpt calls f if the table is one.
func (e *Editor) gpt(f func(g *gptEdit) error) error {
	g, ok := e.s.(*gptEdit)
	if !ok {
		return fmt.Errorf("%w: it takes a GPT", ErrKind)
	}
	return f(g)
}

// Free returns where partitions of a role can be, in the order of their places.
func (e *Editor) Free(role Role) []Range {
	var list []Range
	for _, s := range e.s.free(role) {
		list = append(list, Range{int64(s.first) * e.d.sector, int64(s.end-s.first) * e.d.sector})
	}
	return list
}

func noPartition(number int) error { return fmt.Errorf("partition %d: %w", number, ErrNoPartition) }
