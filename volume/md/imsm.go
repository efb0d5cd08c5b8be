package md

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/unboot/unboot/volume"
)

const (
	imsmSignature = "Intel Raid ISM Cfg Sig. "
	imsmMax       = 2210 * 512 // what the firmware has for the metadata, in bytes

	imsmHead, imsmDisk    = 216, 48 // sizes in bytes
	imsmDev, imsmMap      = 112, 48 // without what depends on the members
	imsmLarge             = 0x04000000
	imsmSpare, imsmFailed = 1, 4 // of a disk

	imsmMigrRebuild, imsmMigrGeneral, imsmMigrState = 1, 3, 4
)

// imsmAttributes are those that mdadm accepts; others change the meaning of what it knows.
const imsmAttributes = 0x80000000 | 0x20000000 | imsmLarge | 0x08000000 | 0xc0 | 0x17 | 0x40000000

// An imsmSuper is the metadata of a container, of which each of its disks has a copy.
type imsmSuper struct {
	m          *volume.Member
	family     uint32 // of the container
	generation uint32
	attributes uint32
	disks      []imsmDiskEntry
	volumes    []imsmVolume
}

// An imsmDiskEntry is a disk of the container. Its serial number is all that identifies it.
type imsmDiskEntry struct {
	serial string
	size   int64 // in bytes
	status uint32
}

// An imsmVolume is an array on some of the disks.
type imsmVolume struct {
	raw       []byte // its name as it is there
	size      int64  // in bytes
	migrating bool
	migration uint8
	dirty     bool
	now       imsmLayout // what it is, or becomes
	before    imsmLayout // what it was, while it is migrating
}

// An imsmLayout says where a volume lies.
type imsmLayout struct {
	offset, stripes int64
	strip           int64 // bytes
	state, level    uint8
	order           []uint32 // for each place the number of its disk, and flags
}

// What stands in the order of a layout's disks: the number of each, and a flag that says
// that it is being filled.
const (
	imsmNumber  = 1<<24 - 1
	imsmRebuild = 1 << 24
)

// readIMSM reads the metadata of a disk. They begin in the last sector but one, and what
// that does not hold lies before it.
func readIMSM(m *volume.Member) (*imsmSuper, error) {
	sector := int64(max(512, m.SectorSize))
	anchor, err := readAt(m.R, m.Size, m.Size-2*sector, int(sector))
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(string(anchor), imsmSignature) {
		return nil, errNone
	}
	size := int64(binary.LittleEndian.Uint32(anchor[36:]))
	if size < imsmHead || size > imsmMax {
		return nil, fmt.Errorf("a size of %d bytes is not possible", size)
	}
	b := anchor
	if more := (size - 1) / sector * sector; more > 0 {
		rest, err := readAt(m.R, m.Size, m.Size-2*sector-more, int(more))
		if err != nil {
			return nil, err
		}
		b = append(b, rest...)
	}
	b = b[:size]
	var sum uint32
	for i := 0; i+4 <= len(b); i += 4 {
		sum += binary.LittleEndian.Uint32(b[i:])
	}
	if check := binary.LittleEndian.Uint32(b[32:]); sum-check != check {
		return nil, errChecksum
	}
	return parseIMSM(m, b, sector)
}

var errShort = errors.New("they end too early")

// parseIMSM parses metadata, which count in sectors of the disk.
func parseIMSM(m *volume.Member, b []byte, sector int64) (*imsmSuper, error) {
	le := binary.LittleEndian
	s := &imsmSuper{m: m, family: le.Uint32(b[64:]), generation: le.Uint32(b[44:]), attributes: le.Uint32(b[52:])}
	if s.family == 0 {
		s.family = le.Uint32(b[40:])
	}
	disks, volumes := int(b[56]), int(b[57])
	b = b[imsmHead:]
	// The high halves were not always written.
	bytes := func(b []byte, low, high int) int64 {
		n := uint64(le.Uint32(b[low:]))
		if s.attributes&imsmLarge != 0 {
			n |= uint64(le.Uint32(b[high:])) << 32
		}
		return sectors(min(n, 1<<54) * uint64(sector/512))
	}
	for range disks {
		if len(b) < imsmDisk {
			return nil, errShort
		}
		s.disks = append(s.disks, imsmDiskEntry{strings.TrimSpace(name(b[:16])), bytes(b, 16, 32), le.Uint32(b[24:])})
		b = b[imsmDisk:]
	}
	layout := func() (imsmLayout, error) {
		if len(b) < imsmMap || len(b) < imsmMap+4*int(b[16]) {
			return imsmLayout{}, errShort
		}
		l := imsmLayout{offset: bytes(b, 0, 20), stripes: bytes(b, 8, 28) / sector, strip: int64(le.Uint16(b[12:])) * sector, state: b[14], level: b[15]}
		for i := range int(b[16]) {
			l.order = append(l.order, le.Uint32(b[imsmMap+4*i:]))
		}
		b = b[imsmMap+4*len(l.order):]
		return l, nil
	}
	for range volumes {
		if len(b) < imsmDev {
			return nil, errShort
		}
		v := imsmVolume{
			raw: b[:16], size: sectors(min(le.Uint64(b[16:]), 1<<54) * uint64(sector/512)),
			migrating: b[88] != 0, migration: b[89], dirty: b[90]&1 != 0,
		}
		b = b[imsmDev:]
		var err error
		if v.now, err = layout(); err == nil && v.migrating {
			v.before, err = layout()
		}
		if err != nil {
			return nil, err
		}
		s.volumes = append(s.volumes, v)
	}
	return s, nil
}

// shape converts a layout to the terms of MD.
func (l *imsmLayout) shape() (level, layout int, ok bool) {
	switch n := len(l.order); {
	case l.level == 0:
		return 0, 0, true
	case l.level == 1 && n == 2:
		return 1, 0, true
	case (l.level == 1 || l.level == 10) && n > 0 && n%2 == 0:
		return 10, 0x102, true
	case l.level == 5:
		return 5, 0, true
	}
	return 0, 0, false
}

// member is how much of each disk the volume takes, in bytes. As with mdadm, its size
// counts where the number of stripes does not fit it, which firmware forgets to change.
func (v *imsmVolume) member(level int) int64 {
	l := &v.now
	data := int64(len(l.order))
	each := l.strip
	switch level {
	case 1:
		data, each = 1, 2*l.strip
	case 5:
		data--
	case 10:
		data, each = data/2, 2*l.strip
	}
	if data <= 0 || l.strip <= 0 {
		return 0
	}
	size := min(l.stripes, (1<<62)/each) * each
	if per := v.size / data; size < per-1<<20 || size > per+1<<20 {
		size = per
	}
	if level != 1 {
		size -= size % l.strip
	}
	return size
}
