package matrix

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// TestUnsynced writes files and, before anything is synced, has the kernel forget
// what it may: by listing in the way of a walk over everything, by dropping its
// caches, by having too little memory. All of it is there, in this mount and the
// next.
func TestUnsynced(t *testing.T) {
	for _, w := range writables {
		if strings.Contains(w.name, "-") {
			continue // variants
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			images := w.images(t)
			want := map[string][]byte{}
			w.memory = 40 << 20
			if w.fstype == "btrfs" || w.fstype == "xfs" {
				w.memory = 64 << 20 // with less it reports that there is no memory
			}
			w.mounted(t, images, 0, func(k *lkl.Kernel, dir string) {
				s := ours{&k.View}
				r := &runner{t, s, dir, w.caps}
				r.mkdir("d")
				for i, forget := range forgets(k, dir+"/d") {
					for _, size := range []int{0, 1, 300, 4096, 5000, 70_000, 300_000} {
						name := fmt.Sprintf("d/f%d-%d", i, size)
						data := testimg.Pattern(size, uint64(i+size))
						r.file(name, data)
						r.must("forget", forget())
						// And what was added after it was forgotten.
						r.with(name, unix.O_WRONLY, func(fd int) {
							n, err := s.Pwrite(fd, data[:min(size, 1000)], int64(size))
							if err != nil || n != min(size, 1000) {
								r.must("append", fmt.Errorf("%d bytes, %w", n, err))
							}
						})
						want[name] = append(data, data[:min(size, 1000)]...)
						r.must("forget", forget())
					}
				}
				checkVaried(t, "written", s, dir, want)
			})
			w.memory = 0
			w.mounted(t, images, unix.MS_RDONLY, func(k *lkl.Kernel, dir string) {
				checkVaried(t, "mounted again", ours{&k.View}, dir, want)
			})
			testimg.Fsck(t, w.fstype, images[0])
		})
	}
}

// forgets are ways to make the kernel drop what it has cached.
func forgets(k *lkl.Kernel, dir string) []func() error {
	walk := func(flags int) func() error {
		return func() error {
			for d, err := range k.ReadDirAt(unix.AT_FDCWD, dir, 0, unix.STATX_BASIC_STATS, flags) {
				if err != nil {
					return err
				}
				if d.Err != 0 {
					return d.Err
				}
			}
			return nil
		}
	}
	drop := func(what string) func() error {
		return func() error {
			fd, err := k.Open("/proc/sys/vm/drop_caches", unix.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer k.CloseFd(fd)
			_, err = k.Write(fd, []byte(what))
			return err
		}
	}
	// More of the disk than memory holds goes through the page cache.
	calls := 0
	press := func() error {
		if calls++; calls%4 != 0 {
			return nil // it takes its time
		}
		fd, err := k.Open("/dev/sda", unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		defer k.CloseFd(fd)
		piece := make([]byte, 32<<10) // more would pass the cache by
		for off := int64(0); off < 80<<20; off += int64(len(piece)) {
			if n, err := k.Pread(fd, piece, off); err != nil || n == 0 {
				return err
			}
		}
		return nil
	}
	return []func() error{
		walk(lkl.READDIR_ONCE), walk(lkl.READDIR_ONCE | lkl.READDIR_XATTR | lkl.READDIR_LINK), walk(0),
		drop("1"), drop("2"), drop("3"), press,
		func() error { return cmp.Or(walk(lkl.READDIR_ONCE)(), drop("3")(), walk(lkl.READDIR_ONCE)()) },
	}
}
