package md

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// Signatures of the structures of DDF. All its numbers are big-endian.
const (
	ddfHeader  = 0xde11de11
	ddfPhys    = 0x22222222
	ddfData    = 0x33333333
	ddfVirt    = 0xdddddddd
	ddfConfig  = 0xeeeeeeee
	ddfNoMatch = 0xffffffff // a reference to no disk

	ddfMaxSection = 1024 // sectors
	ddfEntry      = 64   // of the tables of disks, in bytes
)

// A ddfDisk is what one disk says of itself and of its container.
type ddfDisk struct {
	m       *volume.Member
	guid    string // of the container
	maker   string // of the controller
	seq     uint32
	refnum  uint32 // of the disk
	mppe    int    // room for references in a configuration
	states  map[uint32]uint16
	virtual map[string]ddfVirtual
	configs []ddfConf
}

// A ddfVirtual is an entry of the table of virtual disks.
type ddfVirtual struct {
	number      int
	name        string
	state, init uint8
}

// States of physical and virtual disks.
const (
	ddfOnline, ddfFailed, ddfRebuilding = 1, 2, 4

	ddfInconsistent = 0x10
	ddfInitFull     = 2
)

// A ddfConf is the configuration of a virtual disk, or of a part of it that is a mirror.
type ddfConf struct {
	guid                        string
	seq                         uint32
	primary, secondary, element int // members of each part, parts, and which part
	level, qualifier, secLevel  uint8
	chunk                       int64
	size                        int64 // of what each member gives, in bytes
	refs                        []uint32
	offsets                     []int64
}

// readDDF reads the metadata of a disk: an anchor in its last sector (some firmware leaves
// 256 sectors behind it) says where the two headers are, and the newer of them where the rest is.
func readDDF(m *volume.Member) (*ddfDisk, error) {
	sectors := m.Size / 512
	err := errNone
	for _, n := range []int64{1, 257} {
		anchor, e := readDDFHeader(m, sectors-n)
		if e != nil {
			if !errors.Is(e, errNone) {
				err = e
			}
			continue
		}
		be := binary.BigEndian
		header, start := []byte(nil), int64(0)
		for _, at := range []int{96, 104} {
			lba := be.Uint64(anchor[at:])
			h, e := readDDFHeader(m, int64(min(lba, 1<<54)))
			if e != nil || !bytes.Equal(h[8:40], anchor[8:40]) {
				continue
			}
			open := func(h []byte) bool { return h[48] != 0 }
			newer := header == nil || be.Uint32(h[40:]) > be.Uint32(header[40:]) && !open(h) ||
				be.Uint32(h[40:]) == be.Uint32(header[40:]) && open(header) && !open(h)
			if newer {
				header, start = h, int64(lba)
			}
		}
		if header == nil {
			err = errors.New("neither of its two headers is whole")
			continue
		}
		return parseDDF(m, header, start)
	}
	return nil, err
}

// readDDFHeader reads a header at a sector. The anchor is like the headers that it points to.
func readDDFHeader(m *volume.Member, lba int64) ([]byte, error) {
	if lba < 0 || lba >= m.Size/512 {
		return nil, errNone
	}
	b, err := readAt(m.R, m.Size, lba*512, 512)
	switch {
	case err != nil:
		return nil, err
	case binary.BigEndian.Uint32(b) != ddfHeader:
		return nil, errNone
	case !ddfSum(b):
		return nil, errChecksum
	case !strings.HasPrefix(string(b[32:40]), "01.0") && !strings.HasPrefix(string(b[32:40]), "02.0"):
		return nil, fmt.Errorf("revision %q is not known", b[32:40])
	}
	return b, nil
}

// ddfSum checks the CRC of a structure, for which its own field counts as ones. It is the
// usual polynomial without the usual inversions.
func ddfSum(b []byte) bool {
	sum := crc32.Update(^uint32(0), crc32.IEEETable, b[:4])
	sum = crc32.Update(sum, crc32.IEEETable, []byte{0xff, 0xff, 0xff, 0xff})
	return ^crc32.Update(sum, crc32.IEEETable, b[8:]) == binary.BigEndian.Uint32(b[4:])
}

// parseDDF reads the sections that a header at a sector names.
func parseDDF(m *volume.Member, header []byte, start int64) (*ddfDisk, error) {
	be := binary.BigEndian
	section := func(name string, at int, magics ...uint32) ([]byte, error) {
		off, n := int64(be.Uint32(header[at:])), int64(be.Uint32(header[at+4:]))
		if n == 0 || n > ddfMaxSection {
			return nil, fmt.Errorf("its section of %s has %d sectors", name, n)
		}
		b, err := readAt(m.R, m.Size, (start+off)*512, int(n)*512)
		switch {
		case errors.Is(err, errNone):
			return nil, fmt.Errorf("its section of %s is beyond the disk", name)
		case err != nil:
			return nil, err
		case len(magics) > 0 && !slices.Contains(magics, be.Uint32(b)):
			return nil, fmt.Errorf("its section of %s is not there", name)
		case len(magics) > 0 && !ddfSum(b):
			return nil, fmt.Errorf("the checksum of its section of %s is wrong", name)
		}
		return b, nil
	}
	controller, err := section("the controller", 192, 0xad111111)
	if err != nil {
		return nil, err
	}
	// Early versions of mdadm gave this one the signature of another section.
	phys, err := section("physical disks", 200, ddfPhys, ddfData)
	if err != nil {
		return nil, err
	}
	virt, err := section("virtual disks", 208, ddfVirt)
	if err != nil {
		return nil, err
	}
	configs, err := section("configurations", 216)
	if err != nil {
		return nil, err
	}
	data, err := section("the disk itself", 224, ddfData)
	if err != nil {
		return nil, err
	}
	d := &ddfDisk{
		m: m, guid: string(header[8:32]), maker: string(controller[8:16]), seq: be.Uint32(header[40:]), refnum: be.Uint32(data[32:]),
		mppe: int(be.Uint16(header[136:])), states: map[uint32]uint16{}, virtual: map[string]ddfVirtual{},
	}
	for e := phys[ddfEntry:]; len(e) >= ddfEntry; e = e[ddfEntry:] {
		if ref := be.Uint32(e[24:]); ref != ddfNoMatch {
			d.states[ref] = be.Uint16(e[30:])
		}
	}
	for i, e := 0, virt[ddfEntry:]; len(e) >= ddfEntry; i, e = i+1, e[ddfEntry:] {
		if e[0] != 0xff {
			d.virtual[string(e[:24])] = ddfVirtual{i, name(bytes.TrimRight(e[48:64], " \x00\xff")), e[32], e[33]}
		}
	}
	n := int(be.Uint16(header[134:])) * 512
	if n == 0 || 512+d.mppe*12 > n {
		return nil, errors.New("its configurations have no room for their members")
	}
	for ; len(configs) >= n; configs = configs[n:] {
		if be.Uint32(configs) == ddfConfig && ddfSum(configs[:n]) {
			d.configs = append(d.configs, parseDDFConf(configs[:n], d.mppe))
		}
	}
	return d, nil
}

func parseDDFConf(b []byte, mppe int) ddfConf {
	be := binary.BigEndian
	c := ddfConf{
		guid: string(b[8:32]), seq: be.Uint32(b[36:]), primary: int(be.Uint16(b[64:])), chunk: 512 << min(b[66], 31),
		level: b[67], qualifier: b[68], secondary: max(1, int(b[69])), element: int(b[70]), secLevel: b[71],
		size: sectors(be.Uint64(b[72:])),
	}
	for i := range mppe {
		// There may be gaps, which do not count.
		if ref := be.Uint32(b[512+4*i:]); ref != ddfNoMatch && len(c.refs) < c.primary {
			c.refs = append(c.refs, ref)
			c.offsets = append(c.offsets, sectors(be.Uint64(b[512+4*mppe+8*i:])))
		}
	}
	return c
}
