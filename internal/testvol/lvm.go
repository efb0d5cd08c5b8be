package testvol

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// LVM's metadata as a test wants it, be it what LVM itself would never write.

// An LVMGroup is a volume group with extents of 64 KiB, on devices of one size.
type LVMGroup struct {
	Name string
	// PVs are the names of the devices, in LVM's text.
	PVs  []string
	Size int64 // of each device, in bytes
	// LVs are the sections of the volumes, such as [LinearLV] returns.
	LVs []string
}

const (
	lvmExtent = 64 << 10
	lvmArea   = 4096
	lvmData   = 4 << 20 // where the extents begin
)

// Extents is how many of them a device has.
func (g LVMGroup) Extents() int64 { return (g.Size - lvmData) / lvmExtent }

// LVMID returns a UUID that a name decides.
func LVMID(name string) string {
	s := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return 'Y'
	}, name)
	s = (s + "X" + strings.Repeat("0", 32))[:32]
	return fmt.Sprintf("%s-%s-%s-%s-%s-%s-%s", s[:6], s[6:10], s[10:14], s[14:18], s[18:22], s[22:26], s[26:])
}

// LV returns the section of a volume: a name as it stands in the text, and what its
// segments say.
func LV(name string, segments ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s {\nid = %q\nstatus = [\"READ\", \"WRITE\", \"VISIBLE\"]\nflags = []\nsegment_count = %d\n", name, LVMID(name), len(segments))
	for i, s := range segments {
		fmt.Fprintf(&b, "segment%d {\n%s}\n", i+1, s)
	}
	return b.String() + "}\n"
}

// LinearLV returns the section of a volume that lies on one device, in extents.
func LinearLV(name, pv string, at, extents int64) string {
	return LV(name, fmt.Sprintf("start_extent = 0\nextent_count = %d\ntype = \"striped\"\nstripe_count = 1\nstripes = [%q, %d]\n", extents, pv, at))
}

// Text returns the metadata.
func (g LVMGroup) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s {\nid = %q\nseqno = 1\nformat = \"lvm2\"\nstatus = [\"RESIZEABLE\", \"READ\", \"WRITE\"]\nflags = []\nextent_size = %d\nmax_lv = 0\nmax_pv = 0\nphysical_volumes {\n",
		g.Name, LVMID(g.Name), lvmExtent/512)
	for _, pv := range g.PVs {
		fmt.Fprintf(&b, "%s {\nid = %q\ndevice = \"/dev/none\"\nstatus = [\"ALLOCATABLE\"]\nflags = []\ndev_size = %d\npe_start = %d\npe_count = %d\n}\n",
			pv, LVMID(g.Name+pv), g.Size/512, lvmData/512, g.Extents())
	}
	return b.String() + "}\nlogical_volumes {\n" + strings.Join(g.LVs, "") + "}\n}\ncontents = \"Text Format Volume Group\"\nversion = 1\ndescription = \"\"\ncreation_host = \"here\"\ncreation_time = 1700000000\n"
}

// Write makes a device the physical volume of that name.
func (g LVMGroup) Write(w io.WriterAt, pv string) error {
	le := binary.LittleEndian
	text := append([]byte(g.Text()), 0)
	if len(text) > lvmData-lvmArea-512 {
		return fmt.Errorf("%d bytes of metadata have no room", len(text))
	}
	s := make([]byte, 512)
	copy(s, "LABELONE")
	le.PutUint64(s[8:], 1)
	le.PutUint32(s[20:], 32)
	copy(s[24:], "LVM2 001")
	copy(s[32:], strings.ReplaceAll(LVMID(g.Name+pv), "-", ""))
	le.PutUint64(s[64:], uint64(g.Size))
	le.PutUint64(s[72:], lvmData)
	le.PutUint64(s[104:], lvmArea)
	le.PutUint64(s[112:], lvmData-lvmArea)
	le.PutUint32(s[136:], 2)
	le.PutUint32(s[140:], 1)
	le.PutUint32(s[16:], LVMChecksum(s[20:]))
	h := make([]byte, 512)
	copy(h[4:], " LVM2 x[5A%r0N*>")
	le.PutUint32(h[20:], 1)
	le.PutUint64(h[24:], lvmArea)
	le.PutUint64(h[32:], lvmData-lvmArea)
	le.PutUint64(h[40:], 512)
	le.PutUint64(h[48:], uint64(len(text)))
	le.PutUint32(h[56:], LVMChecksum(text))
	le.PutUint32(h, LVMChecksum(h[4:]))
	for off, b := range map[int64][]byte{512: s, lvmArea: h, lvmArea + 512: text} {
		// What is written to a block device through the kernel comes in whole sectors.
		b = append(b, make([]byte, -len(b)&511)...)
		if _, err := w.WriteAt(b, off); err != nil {
			return err
		}
	}
	return nil
}

// LVMChecksum is LVM's: a CRC-32 that begins with another value, and is not inverted.
func LVMChecksum(b []byte) uint32 {
	const initial = 0xf597a6cf
	return ^crc32.Update(^uint32(initial), crc32.IEEETable, b)
}
