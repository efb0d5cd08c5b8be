package probe

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// Superblocks that no program here writes. What they must contain is what blkid
// finds in them.

func apfsSuperblock() string {
	b := make([]byte, 4096)
	le := binary.LittleEndian
	le.PutUint64(b[8:], 1)
	le.PutUint64(b[16:], 5)
	le.PutUint32(b[24:], 0x80000001) // a container's superblock, of the ephemeral kind
	copy(b[32:], "NXSB")
	le.PutUint32(b[36:], 4096)
	le.PutUint64(b[40:], 4096)
	copy(b[72:], "apfs-uuid-16-byt")
	return string(b)
}

func apfsImage(t *testing.T) string {
	image := blank(16 << 20)(t)
	write(t, image, 0, apfsSuperblock())
	return image
}

// zfsLabelText is the beginning of a vdev's label: names and values in XDR.
func zfsLabelText() string {
	be := binary.BigEndian
	pair := func(name string, kind uint32, value []byte) []byte {
		b := be.AppendUint32(nil, 0)
		b = be.AppendUint32(b, 0) // the size in memory
		b = be.AppendUint32(b, uint32(len(name)))
		b = append(b, name...)
		b = append(b, make([]byte, -len(name)&3)...)
		b = be.AppendUint32(b, kind)
		b = be.AppendUint32(b, 1)
		b = append(b, value...)
		b = append(b, make([]byte, -len(b)&3)...)
		be.PutUint32(b, uint32(len(b)))
		return b
	}
	text := func(s string) []byte { return append(be.AppendUint32(nil, uint32(len(s))), s...) }
	b := []byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
	b = append(b, pair("version", 8, be.AppendUint64(nil, 5000))...)
	b = append(b, pair("name", 9, text("tank of pools"))...)
	b = append(b, pair("pool_guid", 8, be.AppendUint64(nil, 1234567890123456789))...)
	b = append(b, pair("guid", 8, be.AppendUint64(nil, 9876543210987654321))...)
	return string(b)
}

func zfsImage(t *testing.T) string {
	image := blank(128 << 20)(t)
	uber := binary.LittleEndian.AppendUint64(nil, 0x00bab10c)
	uber = binary.LittleEndian.AppendUint64(uber, 5000)
	uber = append(uber, make([]byte, 1024-len(uber))...)
	for _, label := range []int64{0, 256 << 10, 128<<20 - 512<<10, 128<<20 - 256<<10} {
		write(t, image, label+16<<10, zfsLabelText())
		for i := range int64(8) {
			write(t, image, label+128<<10+i*1024, string(uber))
		}
	}
	return image
}

// bitlockerBoot is a boot sector that points to metadata at 1 MiB.
func bitlockerBoot() string {
	b := make([]byte, 512)
	copy(b, "\xeb\x58\x90-FVE-FS-")
	binary.LittleEndian.PutUint64(b[176:], 1<<20)
	return string(b)
}

func bitlockerImage(t *testing.T) string {
	image := blank(16 << 20)(t)
	write(t, image, 0, bitlockerBoot())
	m := make([]byte, 256)
	copy(m, "-FVE-FS-")
	le := binary.LittleEndian
	le.PutUint16(m[8:], 64)
	le.PutUint16(m[10:], 2)
	le.PutUint64(m[16:], 16<<20)
	le.PutUint64(m[32:], 1<<20)
	le.PutUint32(m[64:], 48)
	le.PutUint32(m[68:], 1)
	le.PutUint32(m[72:], 48)
	copy(m[80:], "volume-guid-16-b")
	write(t, image, 1<<20, string(m))
	return image
}

func bcachefsSuperblock() string {
	b := make([]byte, 1024)
	le := binary.LittleEndian
	le.PutUint16(b[16:], 1024)
	copy(b[24:], bcachefsMagic)
	copy(b[40:], "internal-uuid-16")
	copy(b[56:], "external-uuid-16")
	copy(b[72:], "cache me if you")
	le.PutUint64(b[104:], 8)
	le.PutUint16(b[120:], 8)
	b[123] = 1
	return string(b)
}

func bcachefsImage(t *testing.T) string {
	image := blank(16 << 20)(t)
	write(t, image, 4096, bcachefsSuperblock())
	return image
}

// hfsPlusImage takes the Apple partition out of a hybrid CD.
func hfsPlusImage(t *testing.T) string {
	iso := xorriso("-hfsplus", "-V", "HFS Plus ü")(t)
	data, err := os.ReadFile(iso)
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range []int{512, 2048} {
		for i := 1; i < 8; i++ {
			e := block(data).sub(i*unit, 512)
			if e.has(0, "PM") && e.has(48, "Apple_HFS") {
				return testimg.Extract(t, iso, int64(e.be32(8))*int64(unit), int64(e.be32(12))*int64(unit))
			}
		}
	}
	t.Fatal("no Apple partition on the CD")
	return ""
}

// TestStorageSpaces holds what a disk of a pool is called.
func TestStorageSpaces(t *testing.T) {
	image := blank(16 << 20)(t)
	ids := "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10sixteen bytes id"
	write(t, image, 0, "SPACEDB \x00\x02\x00\x20"+"crc."+"0123456789abcdef"+ids)
	got := probeFile(t, image)
	if got.Type != "storage_spaces_member" || got.Usage != RAID || got.UUID != "04030201-0605-0807-090a-0b0c0d0e0f10" || len(got.UUIDSub) != 36 {
		t.Errorf("%+v", got)
	}
	write(t, image, 8, "\xff\xff")
	if got := probeFile(t, image); got.Type != "storage_spaces_member" || got.UUID != "" {
		t.Errorf("with the identifiers elsewhere: %+v", got)
	}
}
