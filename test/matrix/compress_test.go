package matrix

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// scattered makes each mapping of several pages a copy, as it is where memory is
// in pieces, and has the kernel panic if the copy and the pages fall apart.
const scattered = "vmap=copy"

// compressors compress what is written to them.
func compressors() []writable {
	list := []writable{
		{name: "ntfs3", fstype: "ntfs", options: args(96<<20, "-C"), fuse: []string{"ntfs-3g"}},
		{name: "ntfs3-1k", fstype: "ntfs", options: args(96<<20, "-C", "-c", "1024"), fuse: []string{"ntfs-3g"}},
		{name: "btrfs-zstd", fstype: "btrfs", options: args(256 << 20), data: "compress-force=zstd"},
		{name: "btrfs-lzo", fstype: "btrfs", options: args(256 << 20), data: "compress=lzo"},
		{name: "btrfs-zlib", fstype: "btrfs", options: args(256 << 20), data: "compress-force=zlib"},
	}
	for _, c := range []struct {
		algorithm string
		log       []int // of the cluster's size in pages
	}{{"lz4", []int{2, 3, 5, 8}}, {"zstd", []int{4, 6}}, {"lzo", []int{4}}, {"lzo-rle", []int{6}}} {
		for _, log := range c.log {
			list = append(list, writable{name: fmt.Sprintf("f2fs-%s-%d", c.algorithm, log), fstype: "f2fs",
				options: args(128<<20, "-O", "extra_attr,compression"),
				data:    fmt.Sprintf("compress_algorithm=%s,compress_log_size=%d,compress_extension=*,compress_chksum", c.algorithm, log)})
		}
	}
	return list
}

// TestCompressed: what is compressed is read as it was written, whatever it was,
// however memory lies, by us and by others, and what others have compressed is.
func TestCompressed(t *testing.T) {
	for _, w := range compressors() {
		t.Run(w.name, func(t *testing.T) {
			for _, cmdline := range []string{"", scattered} {
				w.cmdline = cmdline
				images := w.images(t)
				var want map[string][]byte
				w.mounted(t, images, 0, func(k *lkl.Kernel, dir string) {
					s := ours{&k.View}
					want = fillVaried(&runner{t, s, dir, w.caps})
					checkVaried(t, "written", s, dir, want)
				})
				w.checkCompressed(t, images, want)
				if out, err := testimg.FsckOutput(w.fstype, images[0]); err != nil && !errors.As(err, new(*testimg.Missing)) {
					t.Errorf("the checker: %v\n%.2000s", err, out)
				}
				w.byOther(t, images[0], "ro", func(dir string) { checkVaried(t, "read by another", theirs{}, dir, want) })
			}
			images := w.images(t)
			var want map[string][]byte
			if w.byOther(t, images[0], w.data, func(dir string) { want = fillVaried(&runner{t, theirs{}, dir, w.caps}) }) {
				w.believe(t, images[0], want)
				w.checkCompressed(t, images, want)
			}
		})
	}
}

// believe leaves out what another driver has written and then does not read as it
// was: ntfs-3g allocates clusters for zeros that are written over zeros, and
// leaves in them what was there.
func (w writable) believe(t *testing.T, image string, want map[string][]byte) {
	t.Helper()
	all := len(want)
	w.byOther(t, image, "ro", func(dir string) {
		for name, data := range want {
			if got, err := readPieces(theirs{}, dir+"/"+name, 1<<20); err != nil || !bytes.Equal(got, data) {
				t.Logf("%s: the other driver does not read what it wrote", name)
				delete(want, name)
			}
		}
	})
	if len(want) < all-2 {
		t.Errorf("of %d files %d are left to compare", all, len(want))
	}
}

// checkCompressed has new kernels read what is on the disk.
func (w writable) checkCompressed(t *testing.T, images []string, want map[string][]byte) {
	t.Helper()
	for _, w.cmdline = range []string{"", scattered} {
		w.mounted(t, images, unix.MS_RDONLY, func(k *lkl.Kernel, dir string) {
			checkVaried(t, "mounted again, "+w.cmdline, ours{&k.View}, dir, want)
		})
	}
}

// byOther mounts an image with a driver that is not ours. It reports whether
// there is one.
func (w writable) byOther(t *testing.T, image, options string, do func(dir string)) bool {
	t.Helper()
	var err error
	if w.fuse != nil {
		if options == "" {
			options = "compression"
		}
		err = byFUSE(t, image, append(slices.Clone(w.fuse), "-o", options), do)
	} else {
		err = onHost(t, image, rig.Driver(w.fstype), options, do)
	}
	if errors.As(err, new(*testimg.Missing)) {
		t.Log(err)
		return false
	}
	rig.Check(t, "another driver", err)
	return true
}

// TestCompressedReads: the same of formats that are made whole.
func TestCompressedReads(t *testing.T) {
	dir := t.TempDir() + "/tree"
	rig.Check(t, "mkdir", os.Mkdir(dir, 0o755))
	want := fillVaried(&runner{t: t, s: theirs{}, root: dir})
	for _, r := range readables {
		if r.fstype != "squashfs" && r.fstype != "erofs" && r.name != "iso9660-zisofs" {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "image")
			if r.make != nil {
				r.make(t, dir, image)
			} else {
				pack(t, r, dir, image)
			}
			w := writable{fstype: r.fstype, data: r.data}
			w.checkCompressed(t, []string{image}, want)
		})
	}
}

// pack makes an image, unless the program was built without the compressor.
func pack(t *testing.T, r readable, dir, image string) {
	t.Helper()
	program, args := "mksquashfs", append([]string{dir, image, "-noappend", "-no-progress", "-quiet"}, r.args...)
	if r.fstype == "erofs" {
		program, args = "mkfs.erofs", append(slices.Clone(r.args), "--quiet", image, dir)
	}
	out, err := testimg.Run(program, args...)
	if err != nil && strings.Contains(err.Error()+string(out), "valid compressor") {
		t.Skip(err)
	}
	rig.Check(t, program, err)
}
