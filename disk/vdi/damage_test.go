package vdi

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
)

// Headers that cannot be are errors that say what is wrong, and where.
func TestDamage(t *testing.T) {
	put := func(at int, v uint32) func(b []byte) []byte {
		return func(b []byte) []byte { le.PutUint32(b[at:], v); return b }
	}
	for want, change := range map[string]func(b []byte) []byte{
		"not a VDI image":                      put(magicAt, 0),
		"the file ends at 511":                 func(b []byte) []byte { return b[:511] },
		"version 0.1 is not known":             put(68, 1),
		"the header has 383 bytes":             put(72, 383),
		"images of type 5 are not known":       put(76, 5),
		"the block map is at 511":              put(340, 511),
		"the block map is at 0":                put(340, 0),
		"the data begins at 512, the block":    put(344, 512),
		"the data begins at 1025":              put(344, 1025),
		"a disk of 18446744069414586880 bytes": put(372, 0xffffffff),
		"blocks of 0 bytes":                    put(376, 0),
		"blocks of 513 bytes":                  put(376, 513),
		"blocks of 4294966784 bytes":           put(376, 1<<32-512),
		"blocks of 512 bytes, and 1 more":      put(380, 1),
		"4 blocks of 512 bytes are too few":    put(384, 4),
		"4294967295 blocks":                    put(384, 1<<32-1),
		"two blocks are said to be":            put(512+4, 1),
		"block 1 is said to be the one number": put(512+4, 5),
		"the block map ends at 532":            func(b []byte) []byte { return b[:520] },
	} {
		_, err := New(testdisk.New(change(small(nil))), "image", Options{})
		var path *fs.PathError
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &path) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for want, b := range map[string][]byte{
		"the block at 1536 lies past the end":  small(nil)[:1536],
		"block 0 is said to be the one number": put(512, 7)(small(nil)),
	} {
		m, err := New(testdisk.ReadOnly(b), "image", Options{})
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		p := make([]byte, 512)
		if _, err := m.ReadAt(p, 0); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "read image: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := m.ReadAt(p, 3*512); err != nil {
			t.Errorf("%s: what is not damaged: %v", want, err)
		}
		if result, err := Check(testdisk.New(b), "image", disk.RepairNothing); err != nil || result.Errors == 0 || len(result.Problems) == 0 {
			t.Errorf("%s: Check: %+v, %v", want, result, err)
		}
	}
}

// A size that is not one of sectors is rounded up, as by QEMU.
func TestOddSize(t *testing.T) {
	b := small(nil)
	le.PutUint32(b[368:], 5*512-100)
	m, err := New(testdisk.ReadOnly(b), "image", Options{})
	if err != nil || m.Size() != 5*512 {
		t.Error(m, err)
	}
}

func TestReadOnly(t *testing.T) {
	m, err := New(testdisk.ReadOnly(small(nil)), "image", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteAt(make([]byte, 512), 0); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	if err := m.WriteZeroes(0, 512); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	if err := m.Discard(0, 512); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
}

// The blocks are stable before the header and the block map are written, and what fails
// is reported by Flush and by Close, and done later.
func TestFlushOrder(t *testing.T) {
	file := testdisk.New(nil)
	if err := Create(file, "image", disk.CreateOptions{Size: 9 << 20}); err != nil {
		t.Fatal(err)
	}
	m, err := New(file, "image", Options{})
	if err != nil {
		t.Fatal(err)
	}
	file.Record = true
	step := func(want string) {
		t.Helper()
		got := file.Words(func(off int64) string {
			switch {
			case off == 0:
				return "header"
			case off < newAlign:
				return "map"
			}
			return "data"
		})
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	write := func(block int64) {
		t.Helper()
		if _, err := m.WriteAt(bytes.Repeat([]byte{9}, 512), block<<20); err != nil {
			t.Fatal(err)
		}
	}
	for _, block := range []int64{7, 2, 3} {
		write(block)
	}
	step("header data data data") // the header has a new UUID
	file.Fail = syscall.EIO
	if err := m.Flush(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "flush image") {
		t.Error(err)
	}
	step("flush")
	file.Fail = nil
	if err := m.Flush(); err != nil {
		t.Error(err)
	}
	step("flush header map flush")
	if h, err := ReadHeader(file); err != nil || h.Allocated != 3 || h.Modify == m.h.Modify {
		t.Errorf("%+v, %v", h, err)
	}
	if err := m.Flush(); err != nil {
		t.Error(err)
	}
	step("")
	write(7)
	if err := m.Flush(); err != nil {
		t.Error(err)
	}
	step("data flush")
	write(0)
	file.Fail = syscall.EIO
	if err := m.Close(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "close image") {
		t.Error(err)
	}
}
