package relabel_test

import (
	"errors"
	"io"
	"os"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume/relabel"
)

// span is a range of bytes of a file system.
type span struct{ from, to int }

// Nothing changes but the label or the UUID, and the checksum over it: a file system with
// data is nothing to be careless with.
func TestOnlyChange(t *testing.T) {
	testimg.Need(t, "mkfs.ext4", "mkfs.vfat", "mkswap")
	for _, c := range []struct {
		name, fstype string
		make         []string
		label, uuid  []span
	}{
		{"ext2", "ext2", []string{"mkfs.ext2", "-q"}, []span{{1144, 1160}}, []span{{1128, 1144}}},
		{"ext4", "ext4", []string{"mkfs.ext4", "-q", "-O", "metadata_csum_seed"},
			[]span{{1144, 1160}, {2044, 2048}}, []span{{1128, 1144}, {2044, 2048}}},
		{"swap", "swap", []string{"mkswap", "-q"}, []span{{1052, 1068}}, []span{{1036, 1052}}},
		{"fat16", "vfat", []string{"mkfs.vfat", "-F", "16", "-n", "OLD"}, []span{{43, 54}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := blank(t, 32<<20)
			testimg.MustRun(t, c.make[0], append(c.make[1:], f.Name())...)
			before := content(t, f)
			if err := relabel.SetLabel(f, c.fstype, "NEW LABEL"); err != nil {
				t.Fatal(err)
			}
			after := content(t, f)
			if c.fstype == "vfat" {
				// The label is a file's name in the root directory, too.
				if n := len(changes(before, after, c.label)); n == 0 || n > 32 {
					t.Errorf("%d bytes of the root directory", n)
				}
				return
			}
			if at := changes(before, after, c.label); len(at) != 0 {
				t.Errorf("by a label, the bytes at %d", at)
			}
			if err := relabel.SetUUID(f, c.fstype, uuid); err != nil {
				t.Fatal(err)
			}
			if at := changes(after, content(t, f), c.uuid); len(at) != 0 {
				t.Errorf("by a UUID, the bytes at %d", at)
			}
		})
	}
}

func content(t *testing.T, f *os.File) []byte {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// changes returns where two file systems differ, beside what may change.
func changes(a, b []byte, may []span) (at []int) {
next:
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		for _, s := range may {
			if s.from <= i && i < s.to {
				continue next
			}
		}
		at = append(at, i)
	}
	return at
}

// failing is a device of which reads or writes fail from some call on.
type failing struct {
	*os.File
	reads, writes int // that are done before
}

var errDevice = errors.New("the device is gone")

func (d *failing) ReadAt(p []byte, off int64) (int, error) {
	if d.reads--; d.reads < 0 {
		return 0, errDevice
	}
	return d.File.ReadAt(p, off)
}

func (d *failing) WriteAt(p []byte, off int64) (int, error) {
	if d.writes--; d.writes < 0 {
		return 0, errDevice
	}
	return d.File.WriteAt(p, off)
}

// An error of the device is the caller's to see, and is not taken for a damaged file
// system; nothing is written after one.
func TestDeviceErrors(t *testing.T) {
	testimg.Need(t, "mkfs.ext4", "mkfs.vfat", "mkswap")
	for fstype, make := range map[string][]string{
		"ext4": {"mkfs.ext4", "-q"}, "vfat": {"mkfs.vfat", "-F", "32", "-n", "OLD"}, "swap": {"mkswap", "-q"},
	} {
		t.Run(fstype, func(t *testing.T) {
			f := blank(t, 64<<20)
			testimg.MustRun(t, make[0], append(make[1:], f.Name())...)
			before := content(t, f)
			failed := 0
			for n := 0; ; n++ {
				err := relabel.SetLabel(&failing{f, n, 100}, fstype, "NEW")
				if err == nil {
					break
				}
				failed++
				if !errors.Is(err, errDevice) || errors.Is(err, relabel.ErrCorrupt) || errors.Is(err, io.EOF) {
					t.Errorf("after %d reads: %v", n, err)
				}
				if at := changes(before, content(t, f), nil); len(at) != 0 {
					t.Errorf("after %d reads, the bytes at %d were written", n, at)
				}
			}
			if failed == 0 {
				t.Error("nothing was read")
			}
			if err := relabel.SetLabel(&failing{f, 100, 0}, fstype, "OTHER"); !errors.Is(err, errDevice) {
				t.Errorf("a write: %v", err)
			}
		})
	}
}
