package probe

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// put returns a device of size bytes with pieces of data at offsets.
func put(size int, pieces map[int]string) []byte {
	b := make([]byte, size)
	for off, data := range pieces {
		copy(b[off:], data)
	}
	return b
}

func be32(words ...uint32) string {
	var b []byte
	for _, w := range words {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return string(b)
}

func le32(words ...uint32) string {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return string(b)
}

// affs is a floppy of an Amiga, with nothing on it.
func affs() []byte {
	const root = 880 * 512
	b := put(880<<10, map[int]string{
		0:          "DOS\x01",
		root:       be32(2, 0, 0, 72),
		root + 432: "\x09Workbench",
		root + 508: be32(1),
	})
	return b
}

// Superblocks of types for which nothing here has a tool, by the kernel's descriptions of
// them, and of the same with one field that cannot be.
func TestOldTypes(t *testing.T) {
	qnx4 := map[int]string{512: "/", 512 + 50: "\xed\x41", 512 + 63: "\x01"}
	qnx6 := map[int]string{8 << 10: le32(0x68191122), 8<<10 + 32: "sixteen byte id.", 8<<10 + 48: le32(1024)}
	mmi := map[int]string{0: be32(0x68191122), 48: be32(1024)}
	efs := map[int]string{512: be32(1000), 512 + 28: be32(0x00072959), 512 + 32: "label."}
	omfs := map[int]string{256: "\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x02\x00", 272: be32(0xc2993d87, 2048)}
	vxfs := map[int]string{1024: le32(0xa501fcf5, 4), 1024 + 32: le32(1024, 500)}
	hpux := map[int]string{8 << 10: be32(0xa501fcf5, 5), 8<<10 + 32: be32(1024, 500)}
	// The checksum is what mkfs.jffs2 writes for an erased block's marker.
	jffs2 := map[int]string{0: "\x85\x19\x03\x20\x0c\x00\x00\x00\xb1\xb0\x1e\xe4"}
	for name, c := range map[string]struct {
		data              []byte
		kind, label, uuid string
		block             int64
		needed            int // the offset of a byte without which it is nothing
	}{
		"affs":  {affs(), "affs", "Workbench", "", 512, 440*1024 + 511},
		"qnx4":  {put(1<<20, qnx4), "qnx4", "", "", 512, 512 + 63},
		"qnx6":  {put(1<<20, qnx6), "qnx6", "", "7369-", 1024, 8<<10 + 49},
		"mmi":   {put(1<<20, mmi), "qnx6", "", "", 1024, 50},
		"efs":   {put(1<<20, efs), "efs", "label.", "", 512, 512 + 29},
		"omfs":  {put(1<<20, omfs), "omfs", "", "", 2048, 278},
		"vxfs":  {put(1<<20, vxfs), "vxfs", "", "", 1024, 1024 + 33},
		"hp-ux": {put(1<<20, hpux), "vxfs", "", "", 1024, 8<<10 + 34},
		"jffs2": {put(1<<20, jffs2), "jffs2", "", "", 0, 8},
	} {
		info, err := Probe(bytes.NewReader(c.data), int64(len(c.data)))
		if err != nil || info.Type != c.kind || info.Usage != Filesystem || info.Label != c.label || info.BlockSize != c.block {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		if c.uuid != "" && info.UUID != "73697874-6565-6e20-6279-74652069642e" {
			t.Errorf("%s: UUID %q", name, info.UUID)
		}
		c.data[c.needed] ^= 0xff
		if info, err := Probe(bytes.NewReader(c.data), int64(len(c.data))); err != nil || info.Type != "" {
			t.Errorf("%s, broken: %+v, %v", name, info, err)
		}
	}
}

// Variants that a name is all there is of: a changed squashfs, the first bcachefs with
// bcache's magic, a pool of ZFS on a device smaller than zpool takes today.
func TestVariants(t *testing.T) {
	old := []byte(bcachefsSuperblock())
	copy(old[24:], bcacheMagic)
	uber := string(binary.LittleEndian.AppendUint64(nil, 0x00bab10c)) + le32(5000, 0)
	zfs := map[int]string{16 << 10: zfsLabelText()}
	for i := range 8 {
		zfs[128<<10+i*1024] = uber
	}
	for name, c := range map[string]struct {
		data []byte
		kind string
	}{
		"vendor's magic":      {put(1<<20, map[int]string{0: "shsq", 28: "\x04\x00"}), "squashfs_vendor"},
		"big-endian 4":        {put(1<<20, map[int]string{0: "sqsh", 28: "\x00\x04"}), "squashfs_vendor"},
		"big-endian 3":        {put(1<<20, map[int]string{0: "sqsh", 28: "\x00\x03"}), "squashfs3"},
		"only like a magic":   {put(1<<20, map[int]string{0: "shsq", 28: "\x07\x08"}), ""},
		"bcachefs as bcache":  {put(1<<20, map[int]string{4096: string(old)}), "bcachefs"},
		"zfs on 1 MiB":        {put(1<<20, zfs), "zfs_member"},
		"mpool, bad checksum": {put(1<<20, map[int]string{0: "mpoolDev"}), ""},
		"ubifs, another node": {put(1<<20, map[int]string{0: le32(0x06101831), 20: "\x01"}), ""},
	} {
		info, err := Probe(bytes.NewReader(c.data), int64(len(c.data)))
		if err != nil || info.Type != c.kind {
			t.Errorf("%s: %+v, %v; want %q", name, info, err, c.kind)
		}
	}
}
