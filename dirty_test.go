package unboot_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// setNTFSDirty sets the flag of an NTFS volume that says it was not unmounted:
// in the attribute $VOLUME_INFORMATION of the file $Volume, which is record 3.
func setNTFSDirty(t *testing.T, image string) {
	t.Helper()
	f := must(os.OpenFile(image, os.O_RDWR, 0))
	defer f.Close()
	le := binary.LittleEndian
	boot := make([]byte, 512)
	must(f.ReadAt(boot, 0))
	cluster := int64(le.Uint16(boot[11:])) * int64(boot[13])
	const recordSize = 1024
	at := int64(le.Uint64(boot[0x30:]))*cluster + 3*recordSize
	rec := make([]byte, recordSize)
	must(f.ReadAt(rec, at))
	for off := int(le.Uint16(rec[0x14:])); le.Uint32(rec[off:]) != 0xffffffff; off += int(le.Uint32(rec[off+4:])) {
		if le.Uint32(rec[off:]) == 0x70 {
			flags := off + int(le.Uint16(rec[off+0x14:])) + 10
			rec[flags] |= 1
			must(f.WriteAt(rec[flags:flags+1], at+int64(flags)))
			return
		}
	}
	t.Fatal("no $VOLUME_INFORMATION")
}

// An NTFS volume that was not unmounted, as by Windows that hibernates, can be
// read; to write, one must ask for it.
func TestDirtyNTFS(t *testing.T) {
	image := blank(t, "ntfs")
	img := open(t, image, unboot.Writable())
	f := must(img.MountAuto())
	if err := errors.Join(f.WriteFile("file", testimg.Pattern(100_000, 1), 0o644), img.Close()); err != nil {
		t.Fatal(err)
	}
	setNTFSDirty(t, image)

	before := hash(t, image)
	ro := open(t, image)
	g, err := ro.MountAuto()
	if err != nil {
		t.Fatalf("%+v", err)
	}
	if st, err := g.Stat("file"); err != nil || st.Size() != 100_000 {
		t.Errorf("%v, %v", st, err)
	}
	ro.Close()
	if hash(t, image) != before {
		t.Error("reading has changed the image")
	}

	rw := open(t, image, unboot.Writable())
	_, err = rw.MountAuto()
	if me, ok := errors.AsType[*unboot.MountError](err); !ok || !strings.Contains(me.Error(), "dirty") {
		t.Errorf("%v", err)
	}
	h, err := rw.MountAuto(unboot.Data("force"))
	if err != nil {
		t.Fatalf("%+v", err)
	}
	if err := h.WriteFile("more", []byte("x"), 0o644); err != nil {
		t.Error(err)
	}
	if err := rw.Close(); err != nil {
		t.Error(err)
	}
}

// Written data reaches the host's file with Sync, before Close.
func TestSyncReachesHost(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "vfat", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			image := testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{}))
			f := mount(t, image, unboot.Writable())
			mark := "a mark that is nowhere else: " + fstype
			if err := f.WriteFile("file", []byte(strings.Repeat(mark, 500)), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(image)
			if err != nil || !bytes.Contains(data, []byte(mark)) {
				t.Errorf("not in the image after Sync, %v", err)
			}
		})
	}
}
