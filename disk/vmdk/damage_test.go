package vmdk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
)

// files returns a function that opens files in memory, for reading.
func files(m map[string][]byte) func(disk.Reference) (disk.Device, error) {
	return func(r disk.Reference) (disk.Device, error) {
		b, ok := m[r.Name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: r.Name, Err: fs.ErrNotExist}
		}
		d := testdisk.New(b)
		d.ReadOnly = !r.Writable
		return d, nil
	}
}

// Headers and descriptors that cannot be are errors that say what is wrong, and where.
func TestDamage(t *testing.T) {
	sparse := func(change func(b []byte)) []byte {
		b := small()
		change(b)
		return b
	}
	descriptor := func(old, new string) []byte {
		return bytes.Replace(text(`RW 64 FLAT "a" 0`), []byte(old), []byte(new), 1)
	}
	for _, c := range []struct {
		want string
		b    []byte
	}{
		{"not a VMDK image", []byte("KDM")},
		{"not a VMDK image", make([]byte, 4096)},
		{"version 4 is not known", sparse(func(b []byte) { b[4] = 4 })},
		{"it was copied as a text", sparse(func(b []byte) { b[75] = '\n' })},
		{"the capacity is 18446744073709551615 sectors", sparse(func(b []byte) { le.PutUint64(b[12:], 1<<64-1) })},
		{"the place of the grain directory is 9223372036854775808", sparse(func(b []byte) { le.PutUint64(b[56:], 1<<63) })},
		{"a grain has 0 sectors", sparse(func(b []byte) { b[20] = 0 })},
		{"a grain has 1048578 sectors", sparse(func(b []byte) { b[22] = 0x10 })},
		{"a grain table has 65664 entries", sparse(func(b []byte) { b[46] = 1 })},
		{"a grain table has 0 entries", sparse(func(b []byte) { b[44] = 0 })},
		{"no grain directory", sparse(func(b []byte) { b[56] = 0 })},
		{"the grain directory of 134217728 entries at 2048", sparse(func(b []byte) { le.PutUint64(b[12:], 1<<35) })},
		{"the compression algorithm 7", sparse(func(b []byte) { b[77] = 7 })},
		{"the footer is missing", sparse(func(b []byte) { le.PutUint64(b[56:], atEnd) })},
		{ErrExtent.Error(), sparse(func(b []byte) { b[28] = 0 })},
		{ErrExtent.Error(), cowd()},
		{ErrExtent.Error(), sesparse()},
		{"the descriptor has no CID", descriptor("CID=12345678\n", "")},
		{`the descriptor's CID is "0x1234"`, descriptor("CID=12345678", "CID=0x1234")},
		{`the descriptor's parentCID is "123456789"`, descriptor("CID=ffffffff", "CID=123456789")},
		{"names no extents", descriptor(`RW 64 FLAT "a" 0`, "")},
		{"the line of an extent is", descriptor("64 FLAT", "64")},
		{`the size of an extent is "-1" sectors`, descriptor("64", "-1")},
		{`the size of an extent is "99999999999999999999"`, descriptor("64", "99999999999999999999")},
		{"the extents have more than", descriptor("RW 64", "RW 18014398509481983 ZERO\nRW 64")},
		{"an extent has no name", descriptor(`"a"`, `"a`)},
		{`begins at sector "-1"`, descriptor(`"a" 0`, `"a" -1`)},
		{"more than 2048 extents", descriptor("RW 64", strings.Repeat("RW 1 ZERO\n", 2048)+"RW 64")},
		{`of the kind "VMFSRDM" is not known`, descriptor("FLAT", "VMFSRDM")},
		{`extent "a": damaged VMDK image: it has 512 bytes, and not the 32768 from 0 on`, descriptor("", "")},
		{`extent "a": not a VMDK image`, descriptor("FLAT", "SPARSE")},
		{"open missing: ", descriptor(`"a"`, `"missing"`)},
		{"with the CID 00000001, but the descriptor does not name it", bytes.Replace(text("RW 8 ZERO"), []byte("CID=ffffffff"), []byte("CID=1"), 1)},
		{`extent "small": damaged VMDK image: it has 64 sectors, and not the 65`, descriptor(`64 FLAT "a"`, `65 SPARSE "small"`)},
	} {
		m, err := New(testdisk.New(c.b), "image", Options{Refer: files(map[string][]byte{"a": make([]byte, 512), "small": small()})})
		var path *fs.PathError
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &path) {
			t.Errorf("%s: %v, %v", c.want, m, err)
		}
	}
}

// What is wrong with a part of an image is an error of that part.
func TestDamagedParts(t *testing.T) {
	truncated := small()[:8*sectorSize]
	squeezed := stream()
	squeezed[128*sectorSize+20]++
	longer := stream()
	le.PutUint32(longer[128*sectorSize+8:], 1<<20)
	far := small()
	le.PutUint32(far[4*sectorSize:], 1<<31)
	wild := sesparse()
	le.PutUint64(wild[4*sectorSize:], 5<<60)
	for _, c := range []struct {
		want    string
		b       []byte
		extent  []byte
		bad, ok int64 // offsets in the disk
	}{
		{"(was it truncated?)", truncated, nil, 3072, 0},
		{"does not decompress", squeezed, nil, 64 << 10, 128 << 10},
		{"the compressed grain at 65536 has 1048576 bytes", longer, nil, 64 << 10, 128 << 10},
		{"the grain table at 1099511627776 lies past the end", far, nil, 0, -1},
		{`extent "a": damaged VMDK image: an entry 0x5000000000000000`, text(`RW 64 SESPARSE "a"`), wild, 0, 4096},
		{`extent "a": the descriptor allows no access`, text(`NOACCESS 4 FLAT "a" 0`, "RW 4 ZERO"), nil, 0, 2048},
	} {
		m, err := New(testdisk.ReadOnly(c.b), "image", Options{Refer: files(map[string][]byte{"a": c.extent})})
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		p := make([]byte, 512)
		if _, err := m.ReadAt(p, c.bad); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "read image: ") {
			t.Errorf("%s: %v", c.want, err)
		}
		if c.ok >= 0 {
			if _, err := m.ReadAt(p, c.ok); err != nil {
				t.Errorf("%s: what is not damaged: %v", c.want, err)
			}
		}
		result, err := Check(testdisk.ReadOnly(c.b), "image", disk.RepairNothing)
		if c.extent == nil && len(c.b) > 4096 && (err == nil && result.Errors == 0) && !strings.Contains(c.want, "decompress") {
			t.Errorf("%s: Check finds nothing", c.want)
		}
	}
}

// A parent is the one with the CID, in whatever chain, and is asked for.
func TestParents(t *testing.T) {
	child := func(cid uint32, name string) []byte {
		b := text("RW 64 ZERO")
		b = bytes.Replace(b, []byte("RW 64 ZERO"), []byte(`RW 64 SPARSE "grains"`), 1)
		b = bytes.Replace(b, []byte("CID=ffffffff"), fmt.Appendf(nil, "CID=%x\nparentFileNameHint=\"%s\"", cid, name), 1)
		return b
	}
	grains := small()
	base := text(`RW 8 FLAT "data" 1`)
	var asked []string
	var open func(r disk.Reference) (disk.Device, error)
	all := map[string][]byte{"grains": grains, "data": bytes.Repeat([]byte("base"), 2048), "base": base, "sub/base": base, "other": bytes.Repeat([]byte{1}, 512)}
	open = func(r disk.Reference) (disk.Device, error) {
		asked = append(asked, r.Role+" "+r.Name+" "+r.Format)
		b, ok := all[r.Name]
		switch {
		case !ok:
			return nil, &fs.PathError{Op: "open", Path: r.Name, Err: fs.ErrNotExist}
		case r.Role == disk.BackingFile && r.Name != "other":
			return New(testdisk.ReadOnly(b), r.Name, Options{Refer: open})
		}
		return testdisk.ReadOnly(b), nil
	}
	for _, c := range []struct {
		cid        uint32
		name       string
		want, asks string
	}{
		{0x12345678, "base", "", "data file grains raw, backing file base vmdk, data file data raw"},
		{0x12345678, `sub\base`, "", "data file grains raw, backing file sub/base vmdk, data file data raw"},
		{0x12345678, "/vmfs/volumes/1/base", "", "data file grains raw, backing file /vmfs/volumes/1/base vmdk, backing file base vmdk, data file data raw"},
		{0x12345679, "base", `"base" has the CID 12345678, not 12345679`, ""},
		{0x12345678, "other", "is not a VMDK image", ""},
		{0x12345678, "missing", "open missing: file does not exist", ""},
	} {
		asked = nil
		m, err := New(testdisk.ReadOnly(child(c.cid, c.name)), "image", Options{Refer: open})
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if got := strings.Join(asked, ", "); got != c.asks {
			t.Errorf("%+v: it asked for %s", c, got)
		}
		p := make([]byte, 8192)
		if _, err := m.ReadAt(p, 0); err != nil {
			t.Error(err)
		}
		// Grain 1 is the parent's, grain 2 zeros, and what is behind the parent as well.
		want := append(bytes.Clone(grains[6*sectorSize:][:1024]), bytes.Repeat([]byte("base"), 256)...)
		want = append(append(want, make([]byte, 1024)...), grains[8*sectorSize:][:1024]...)
		if !bytes.Equal(p, append(want, make([]byte, 4096)...)) {
			t.Errorf("%+v: other content", c)
		}
		m.Close()
	}
	_, err := New(testdisk.ReadOnly(child(1, "base")), "image", Options{})
	if e, ok := errors.AsType[*disk.NotAllowedError](err); !ok || e.Reference.Name != "grains" || e.Reference.Image != "image" {
		t.Error(err)
	}
}

// Extents that are not to be written to are not, and those that are are opened for that.
func TestAccess(t *testing.T) {
	writable := map[string]bool{}
	data := testdisk.New(make([]byte, 8192))
	refer := func(r disk.Reference) (disk.Device, error) {
		writable[r.Name] = r.Writable
		return data, nil
	}
	image := text(`RW 4 FLAT "a" 0`, `RDONLY 4 FLAT "b" 4`, "RW 4 ZERO")
	for _, readOnly := range []bool{true, false} {
		file := testdisk.New(image)
		file.ReadOnly = readOnly
		m, err := New(file, "image", Options{Refer: refer})
		if err != nil {
			t.Fatal(err)
		}
		if writable["a"] != !readOnly || writable["b"] {
			t.Errorf("%v: %v", readOnly, writable)
		}
		for off, want := range map[int64]error{0: nil, 2048: syscall.EROFS, 4096: syscall.EROFS, 6144: syscall.EINVAL, -512: syscall.EINVAL} {
			if readOnly {
				want = syscall.EROFS
			}
			if _, err := m.WriteAt(make([]byte, 512), off); !errors.Is(err, want) {
				t.Errorf("%v: write at %d: %v", readOnly, off, err)
			}
		}
		if n, err := m.WriteAt(bytes.Repeat([]byte{1}, 3072), 1024); !readOnly && (n != 1024 || !errors.Is(err, syscall.EROFS)) {
			t.Errorf("over the end of what can be written: %d, %v", n, err)
		}
		m.Close()
	}
	for _, b := range [][]byte{stream(), bytes.Replace(small(), []byte{'K', 'D', 'M', 'V', 2}, []byte{'K', 'D', 'M', 'V', 3}, 1),
		bytes.Replace(small(), []byte("RW 64"), []byte("RDONLY 64"), 1)} {
		if _, err := New(testdisk.New(b), "image", Options{}); err == nil {
			t.Error("an image that cannot be written to is opened for writing")
		} else if _, ok := errors.AsType[*disk.FormatError](err); !ok {
			t.Error(err)
		}
		if _, err := New(testdisk.ReadOnly(b), "image", Options{}); err != nil {
			t.Error(err)
		}
	}
}

// The grains are stable before the tables are written, and what fails is reported by
// Flush and by Close, and done later.
func TestFlushOrder(t *testing.T) {
	file := newMemory(disk.CreateOptions{Size: 1 << 20})
	m, err := New(file, "image", Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := file.Bytes()
	file.Record = true
	for i := range int64(3) {
		if _, err := m.WriteAt(bytes.Repeat([]byte{9}, 512), i<<17); err != nil {
			t.Fatal(err)
		}
	}
	// The CID, the mark of the header, and three grains; no table.
	if got := file.Words(func(int64) string { return "write" }); got != "write write write write write" {
		t.Error(got)
	}
	if !bytes.Equal(before[21*sectorSize:], file.Bytes()[21*sectorSize:len(before)]) {
		t.Error("a table has been written")
	}
	file.Fail = syscall.EIO
	if err := m.Flush(); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if !bytes.Equal(before[21*sectorSize:], file.Bytes()[21*sectorSize:len(before)]) {
		t.Error("a table has been written after the flush failed")
	}
	file.Fail, file.Log = nil, nil
	if err := m.Flush(); err != nil {
		t.Error(err)
	}
	if got := file.Words(func(int64) string { return "write" }); got != "flush write write flush" {
		t.Error(got)
	}
	file.Log = nil
	if err := m.Flush(); err != nil || len(file.Log) > 0 {
		t.Errorf("a flush of nothing: %v, %v", err, file.Log)
	}
	if _, err := m.WriteAt(bytes.Repeat([]byte{9}, 512), 0); err != nil {
		t.Fatal(err)
	}
	file.Log = nil
	if err := m.Flush(); err != nil || file.Words(func(int64) string { return "write" }) != "flush" {
		t.Errorf("a flush of data: %v, %v", err, file.Log)
	}
	if _, err := m.WriteAt(make([]byte, 512), 64<<10); err != nil {
		t.Fatal(err)
	}
	file.Fail = syscall.EIO
	if err := m.Close(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "close image") {
		t.Errorf("what could not be written: %v", err)
	}
}

// A descriptor keeps its length when it gets another CID, of whatever length that is.
func TestCID(t *testing.T) {
	for _, cid := range []string{"12345678", "1", "ffff", "0000000012345678", "fffffffe"} {
		d, err := parseDescriptor(bytes.Replace(text("RW 1 ZERO"), []byte("12345678"), []byte(cid), 1), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []uint32{0, 1, 0xffffffff, 0x12345678, 0xf} {
			digits := d.setCID(r)
			if len(digits) != len(cid) || d.cid == noParent || string(d.text[d.cidAt:][:d.cidDigits]) != cid {
				t.Errorf("%s: %q, %x", cid, digits, d.cid)
			}
			if v, err := parseCID("CID", string(digits)); err != nil || v != d.cid {
				t.Error(v, err)
			}
		}
	}
}

func TestMatch(t *testing.T) {
	for s, want := range map[string]bool{
		"KDMV\x01": true, "COWD\x01": true, string(sesparse()[:16]): true, "# Disk DescriptorFile": true,
		"version=1\n": true, "# x\r\n\r\n#\nversion=3\r\nCID=1": true, "version=9\n": false, "version=1": false,
		"#!/bin/sh\necho\n": false, "": false, "\n\n\n": false, "# Disk": false, "KDM": false,
	} {
		if got := Match(append([]byte(s), make([]byte, 512-len(s))...), nil); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}
