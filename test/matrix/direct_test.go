package matrix

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// TestDirect reads and writes files, and the disk below them, that are open with
// O_DIRECT, in pieces of a block and of many. The kernel takes such small pieces to or
// from the pages of the caller; it has to find these without a task's memory map.
func TestDirect(t *testing.T) {
	const size = 256 << 10
	for _, w := range writables {
		if strings.Contains(w.name, "-") {
			continue // variants
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			images := w.images(t)
			want := testimg.Pattern(size, 1)
			w.mounted(t, images, 0, func(k *lkl.Kernel, dir string) {
				s := ours{&k.View}
				r := &runner{t, s, dir, w.caps}
				r.file("f", want)
				r.with("f", unix.O_RDWR, func(fd int) { r.must("fsync", s.Fsync(fd)) })
				fd, err := k.Open(dir+"/f", unix.O_RDWR|unix.O_DIRECT, 0)
				if err == nil {
					defer k.CloseFd(fd)
					_, err = k.Pread(fd, make([]byte, 4096), 0)
				}
				if errors.Is(err, unix.EINVAL) { // some drivers say so only when it is tried
					t.Skip("this driver has no direct I/O")
				}
				r.must("open", err)
				readDirect(t, k, fd, want)
				for _, n := range []int{4096, 12288, 65536} {
					piece := testimg.Pattern(n, uint64(n))
					got, err := k.Pwrite(fd, piece, 16384)
					if err != nil || got != n {
						t.Fatalf("writing %d bytes: %d, %v", n, got, err)
					}
					copy(want[16384:], piece)
				}
				readDirect(t, k, fd, want)
				checkVaried(t, "by the page cache", s, dir, map[string][]byte{"f": want})
			})
			w.mounted(t, images, unix.MS_RDONLY, func(k *lkl.Kernel, dir string) {
				checkVaried(t, "mounted again", ours{&k.View}, dir, map[string][]byte{"f": want})
			})
			testimg.Fsck(t, w.fstype, images[0])
		})
	}
	t.Run("disk", func(t *testing.T) {
		k := rig.Boot(t, nil)
		want := testimg.Pattern(size, 2)
		image := filepath.Join(t.TempDir(), "image")
		rig.Check(t, "image", os.WriteFile(image, want, 0o600))
		fd, err := k.Open("/dev/"+rig.Attach(t, k, image), unix.O_RDONLY|unix.O_DIRECT, 0)
		rig.Check(t, "open", err)
		readDirect(t, k, fd, want)
		rig.Check(t, "close", k.CloseFd(fd))
	})
}

// readDirect compares pieces of an open file with what it should have.
func readDirect(t *testing.T, k *lkl.Kernel, fd int, want []byte) {
	t.Helper()
	for _, n := range []int{512, 4096, 12288, 65536, 131072} {
		for _, off := range []int{0, 4096, 65536} {
			got := make([]byte, n)
			m, err := k.Pread(fd, got, int64(off))
			if n < 4096 && errors.Is(err, unix.EINVAL) {
				continue // less than a block of this file system
			}
			if err != nil || !bytes.Equal(got[:m], want[off:off+n]) {
				t.Errorf("%d bytes at %d: %d, %v", n, off, m, err)
			}
		}
	}
}
