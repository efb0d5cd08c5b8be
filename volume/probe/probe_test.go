package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// counter counts reads.
type counter struct {
	io.ReaderAt
	n, bytes int
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.n++
	c.bytes += len(p)
	return c.ReaderAt.ReadAt(p, off)
}

// The usual types take three reads, since each costs a round trip on some disks.
func TestReads(t *testing.T) {
	for name, most := range map[string]int{
		"ext4": 3, "xfs": 3, "btrfs": 3, "f2fs": 3, "swap": 3, "squashfs": 3, "erofs": 3,
		"fat16": 4, "fat32": 5, "exfat": 4, "ntfs": 4, "iso9660": 3, "udf": 12,
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(testimg.FS(t, name, testimg.Options{Tree: testimg.Populates(name)}))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			c := &counter{ReaderAt: f}
			if info, err := Probe(c, st.Size()); err != nil || info.Type == "" {
				t.Fatalf("%+v, %v", info, err)
			}
			if c.n > most {
				t.Errorf("%d reads of %d bytes, want at most %d", c.n, c.bytes, most)
			}
		})
	}
}

// failing reads nothing from off on.
type failing struct {
	io.ReaderAt
	off int64
}

var errBad = errors.New("bad sector")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.off {
		return 0, errBad
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestErrors(t *testing.T) {
	const size = 16 << 20
	zeros := bytes.NewReader(make([]byte, size))
	apfs := bytes.NewReader(append([]byte(apfsSuperblock()), make([]byte, size)...))
	for _, c := range []struct {
		name string
		r    io.ReaderAt
		size int64
		want string
		err  error
	}{
		{"the start is unreadable", failing{apfs, 0}, size, "", errBad},
		{"the end is unreadable, the start tells", failing{apfs, size / 2}, size, "apfs", nil},
		{"the end is unreadable, nothing at the start", failing{zeros, size / 2}, size, "", errBad},
		{"shorter than said", bytes.NewReader([]byte(apfsSuperblock())), size, "apfs", nil},
		{"size 0", zeros, 0, "", nil},
		{"negative size", zeros, -1, "", nil},
		{"one byte", zeros, 1, "", nil},
		{"huge", apfs, 1<<63 - 1, "apfs", nil},
	} {
		info, err := Probe(c.r, c.size)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		} else if err == nil && info.Type != c.want {
			t.Errorf("%s: %q, want %q", c.name, info.Type, c.want)
		}
	}
}

// Both of two signatures are named, blkid's first one as the type.
func TestOthers(t *testing.T) {
	info := probeFile(t, extOverFAT(t))
	if info.Type != "vfat" || len(info.Others) != 1 || info.Others[0] != "ext2" {
		t.Errorf("%+v", info)
	}
}

// device has the same bytes at its start and at its end, and zeros between.
type device struct {
	data []byte
	size int64
}

func (d device) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(d.data)) {
		copy(p, d.data[off:])
	}
	if start := d.size - int64(len(d.data)); off >= start {
		copy(p, d.data[off-start:])
	} else if end := off + int64(len(p)); end > start {
		copy(p[start-off:], d.data)
	}
	return len(p), nil
}

// FuzzProbe's seeds are the heads of all images that can be made here, and the
// superblocks made by hand. Whatever a device holds, Probe returns, after a bounded
// number of reads, with bounded strings.
func FuzzProbe(f *testing.F) {
	for _, name := range testimg.Types() {
		path, err := testimg.BuildFS(name, testimg.Options{})
		if err != nil {
			continue
		}
		img, err := os.Open(path)
		if err != nil {
			f.Fatal(err)
		}
		head := make([]byte, headSize)
		n, _ := img.ReadAt(head, 0)
		img.Close()
		f.Add(uint32(64<<20), bytes.TrimRight(head[:n], "\x00"))
	}
	pad := func(n int, s string) []byte { return append(make([]byte, n), s...) }
	f.Add(uint32(1<<20), []byte{})
	f.Add(uint32(64<<20), []byte(apfsSuperblock()))
	f.Add(uint32(128<<20), pad(16<<10, zfsLabelText()))
	f.Add(uint32(16<<20), []byte(bitlockerBoot()))
	f.Add(uint32(16<<20), pad(4096, bcachefsSuperblock()))
	f.Add(uint32(16<<20), pad(0, "LUKS\xba\xbe\x00\x02"))
	f.Add(uint32(16<<20), pad(512, "LABELONE"))
	f.Add(uint32(16<<20), pad(1024, "H+\x00\x04"))
	for off, magics := range map[int][]string{
		0: {"UBI#\x01", "\x31\x18\x10\x06" + strings.Repeat("\x06", 20), "\x85\x19\x03\x20", "SFOZ", "mpoolDev", "DOS\x01",
			"bluestore block device", "dmvdo001", "$DRBDmgr=q", "\xce\xfa\xad\x1b\x00\x02\x00\x00\x00\x80\x00\x00"},
		32:        {"1SFB", "ORCLDISK"},
		512:       {"\xfe\xed\xba\xbe\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x02\x00", "/"},
		516:       {"!Stra0tis\x86\xff\x02^\x41rh"},
		1024:      {"OCFSV2", "\xf5\xfc\x01\xa5"},
		4096:      {"SPB5"},
		4096 + 24: {bcacheMagic},
		8192:      {"\x49\xe8\x95\xf9\xc5\xe9\x53\xfa", "\x22\x11\x19\x68"},
		64 << 10:  {"\x01\x16\x19\x70"},
		// The end of the data is also the end of the device.
		200<<10 - 512:  {"\x37\xfc\x4d\x1e", "\x55\xaa\x01", "JM", "\xde\x11\xde\x11"},
		200<<10 - 1024: {"Intel Raid ISM Cfg Sig. 1.3.00", "NVIDIA  \x1e"},
	} {
		for _, m := range magics {
			data := pad(off, m)
			f.Add(uint32(64<<20), append(data, make([]byte, max(0, 200<<10-len(data)))...))
		}
	}
	f.Fuzz(func(t *testing.T, size uint32, data []byte) {
		c := &counter{ReaderAt: device{data, int64(size)}}
		info, err := Probe(c, int64(size))
		if err != nil {
			t.Fatal(err)
		}
		if c.n > maxReads || c.bytes > 64<<20 {
			t.Errorf("%d reads of %d bytes", c.n, c.bytes)
		}
		if len(info.Label) > 1024 || len(info.UUID) > 40 || len(info.UUIDSub) > 40 || len(info.Version) > 40 {
			t.Errorf("%+v", info)
		}
		if info.Size < 0 || info.BlockSize < 0 || info.Devices < 0 || len(info.Others) > len(probers) {
			t.Errorf("%+v", info)
		}
	})
}

func BenchmarkProbe(b *testing.B) {
	for _, name := range []string{"ext4", "xfs", "btrfs", "ntfs"} {
		b.Run(name, func(b *testing.B) {
			path, err := testimg.BuildFS(name, testimg.Options{})
			if err != nil {
				b.Skip(err)
			}
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := Probe(f, st.Size()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A magic of two bytes counts only where nothing else is found: an erofs whose checksum
// and number of inodes look like minix's superblock is an erofs.
func TestWeakMagic(t *testing.T) {
	image := testimg.Writable(t, testimg.FS(t, "erofs", testimg.Options{Tree: true}))
	write(t, image, 1024+4, "\x08\x00\x08\x00")
	write(t, image, 1024+16, "\x7f\x13")
	data := make([]byte, 1<<20)
	readAll(t, image, data)
	s := newSource(bytes.NewReader(data), int64(len(data)))
	defer s.release()
	if err := s.readHead(); err != nil || probeMinix(s) == nil {
		t.Errorf("not like a minix, %v", err)
	}
	if info := probeFile(t, image); info.Type != "erofs" || info.Others != nil {
		t.Errorf("%+v", info)
	}
}

// A disk that has partitions is spared the search for what takes a device of its own, and not
// the one for what lies beside partitions.
func TestPartitioned(t *testing.T) {
	const size = 16 << 20
	log := make([]byte, size)
	binary.BigEndian.PutUint32(log[128<<10:], 0xfeedbabe)
	binary.BigEndian.PutUint32(log[128<<10+8:], 2)
	binary.BigEndian.PutUint32(log[128<<10+12:], 512)
	binary.BigEndian.PutUint32(log[128<<10+300:], 1)
	for _, c := range []struct {
		probe func(io.ReaderAt, int64) (*Info, error)
		want  string
		bytes int
	}{
		{Probe, "xfs_external_log", size},
		{Partition, "xfs_external_log", size},
		{Partitioned, "", 256 << 10},
	} {
		r := &counter{ReaderAt: bytes.NewReader(log)}
		info, err := c.probe(r, size)
		if err != nil || info.Type != c.want || r.bytes > c.bytes {
			t.Errorf("%q after %d bytes, want %q after at most %d (%v)", info.Type, r.bytes, c.want, c.bytes, err)
		}
	}
	f, err := os.Open(testimg.FS(t, "iso9660", testimg.Options{Tree: testimg.Populates("iso9660")}))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := Partitioned(f, st.Size()); err != nil || info.Type != "iso9660" {
		t.Errorf("a CD with partitions: %+v, %v", info, err)
	}
}
