package matrix

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// A writable is a file system that is written to.
type writable struct {
	name    string
	fstype  string // of testimg; the driver follows from it
	options testimg.Options
	data    string // options of our mount
	cmdline string // of our kernel
	memory  int64  // of our kernel, bytes
	caps    caps
	again   []lens   // to compare with what is found after the next mount
	lenses  []lens   // to compare with what an ext4 of the host holds
	fuse    []string // an independent driver
	skip    []string // what that one cannot read
	make    func(t *testing.T) []string
}

func (c caps) with(change func(c *caps)) caps {
	change(&c)
	return c
}

// fewer is for variants of what is tested in full.
func fewer(c *caps) { c.many, c.links = 1500, 500 }

var (
	grubMount = []string{"grub-mount"}
	indirect  = posix.with(func(c *caps) { c.sparse, c.punch = 10<<30, false })
	inExt     = testimg.Options{Size: 192 << 20}
	// noSeek is for those that do not tell holes from data: all must be read.
	noSeek = int64(5 << 30)
	fat    = caps{nameMax: 255, many: 2000}
)

func args(size int64, list ...string) testimg.Options { return testimg.Options{Size: size, Args: list} }

var writables = []writable{
	{name: "ext2", fstype: "ext2", options: inExt, caps: indirect},
	{name: "ext3", fstype: "ext3", options: inExt, caps: indirect.with(fewer)},
	{name: "ext4", fstype: "ext4", options: args(192<<20, "-b", "4096"), caps: posix},
	{name: "ext4-1k", fstype: "ext4", options: args(192<<20, "-b", "1024"), caps: posix.with(fewer)},
	{name: "ext4-bigalloc", fstype: "ext4", options: args(192<<20, "-b", "4096", "-O", "bigalloc", "-C", "16384"), caps: posix.with(fewer)},
	{name: "ext4-casefold-encrypt", fstype: "ext4", options: args(192<<20, "-O", "casefold,encrypt,verity", "-E", "encoding=utf8"), caps: posix.with(fewer)},
	{name: "ext4-inline", fstype: "ext4", options: args(192<<20, "-b", "4096", "-I", "256", "-O", "inline_data"), caps: posix.with(fewer)},
	{name: "ext4-small", fstype: "ext4", options: args(192<<20, "-I", "128", "-O", "^metadata_csum,^64bit,^huge_file"), caps: posix.with(func(c *caps) { fewer(c); c.sparse = 1 << 40 }), lenses: []lens{coarse(time.Second)}},
	{name: "xfs", fstype: "xfs", caps: posix},
	{name: "xfs-dir64k", fstype: "xfs", options: args(320<<20, "-n", "size=65536"), caps: posix.with(fewer)},
	{name: "xfs-1k", fstype: "xfs", options: args(320<<20, "-b", "size=1024", "-s", "size=512", "-m", "reflink=1,rmapbt=1"), caps: posix.with(fewer)},
	{name: "xfs-v4", fstype: "xfs", options: args(320<<20, "-m", "crc=0", "-s", "size=512"), caps: posix.with(fewer)},
	{name: "btrfs", fstype: "btrfs", options: args(256 << 20), caps: posix},
	{name: "btrfs-zstd", fstype: "btrfs", options: args(256 << 20), data: "compress-force=zstd", caps: posix.with(fewer)},
	{name: "btrfs-lzo", fstype: "btrfs", options: args(256 << 20), data: "compress-force=lzo", caps: posix.with(fewer)},
	{name: "btrfs-zlib", fstype: "btrfs", options: args(256 << 20), data: "compress-force=zlib", caps: posix.with(fewer)},
	{name: "btrfs-raid1", fstype: "btrfs", data: "device=/dev/sdb", caps: posix.with(fewer), make: btrfsRaid1},
	{name: "f2fs", fstype: "f2fs", options: args(256 << 20), caps: posix, fuse: grubMount},
	{name: "f2fs-compress", fstype: "f2fs", options: args(256<<20, "-O", "compression"), data: "compress_algorithm=zstd,compress_extension=*",
		caps: posix.with(func(c *caps) { fewer(c); c.sparse, c.punch = 1<<30, false })},
	{name: "nilfs2", fstype: "nilfs2", options: args(256 << 20), caps: posix.with(func(c *caps) {
		c.xattrs, c.acls, c.punch, c.exchange, c.sparse = nil, false, false, false, noSeek
	}), fuse: grubMount, skip: []string{"contents/cut"}}, // GRUB reads no holes at the end there
	{name: "jfs", fstype: "jfs", options: args(192 << 20), caps: posix.with(func(c *caps) {
		c.punch, c.exchange, c.sparse = false, false, noSeek
	}), data: "iocharset=iso8859-1", fuse: grubMount, skip: []string{"contents/cut", "names"}},
	{name: "reiserfs", fstype: "reiserfs", options: args(192 << 20), caps: posix.with(func(c *caps) {
		// It has a pointer for each block of a hole.
		c.punch, c.exchange, c.sparse = false, false, 64<<20
		c.acls = false // a default one is not listed until the next mount
	}), data: "user_xattr,acl", lenses: []lens{coarse(time.Second)}, fuse: grubMount},
	{name: "minix", fstype: "minix", options: args(64 << 20), caps: caps{
		posix: true, symlinks: true, nodes: true, anyByte: true, nameMax: 60, sparse: 256 << 20, many: 2000, linkLen: 900,
		links: 200, // fsck.minix counts them in a byte
	}, lenses: []lens{coarse(time.Second)}, fuse: grubMount},
	{name: "vfat32", fstype: "fat32", options: args(64 << 20), caps: fat, data: "utf8=1,tz=UTC",
		lenses: []lens{noOwners, noModes, coarse(2 * time.Second)}, fuse: grubMount},
	{name: "vfat16", fstype: "fat16", options: args(24 << 20), caps: fat, data: "utf8=1,tz=UTC",
		lenses: []lens{noOwners, noModes, coarse(2 * time.Second)}, fuse: grubMount},
	{name: "vfat12", fstype: "fat12", options: args(15<<20, "-s", "8"), caps: fat.with(func(c *caps) { c.many = 300 }), data: "utf8=1,tz=UTC",
		lenses: []lens{noOwners, noModes, coarse(2 * time.Second)}, fuse: grubMount},
	{name: "exfat", fstype: "exfat", options: args(64 << 20), caps: fat, data: "iocharset=utf8",
		lenses: []lens{noOwners, noModes, coarse(10 * time.Millisecond)}, fuse: grubMount},
	{name: "ntfs3", fstype: "ntfs", options: args(96 << 20), data: "sparse,acl", again: []lens{ntfsLens}, caps: posix.with(func(c *caps) {
		c.anyByte, c.links, c.acls, c.exchange, c.punch, c.sparse, c.lossy = false, 500, true, false, false, noSeek, true
	}), lenses: []lens{coarse(100 * time.Nanosecond), ntfsLens}, fuse: []string{"ntfs-3g", "-o", "ro"}, skip: []string{"contents/sparse", "contents/all-hole"}},
	{name: "udf", fstype: "udf", options: args(96 << 20), caps: posix.with(func(c *caps) {
		c.xattrs, c.acls, c.anyByte, c.punch, c.exchange, c.sparse, c.bigDevs, c.nameMax = nil, false, false, false, false, 1<<30, false, 254
		c.linkLen = 200
		fewer(c)
	}), lenses: []lens{coarse(time.Microsecond)}, fuse: grubMount, skip: []string{"contents/cut"}}, // GRUB reads what is allocated only
	{name: "hfs", fstype: "hfs", options: args(32 << 20), caps: caps{many: 500, nameMax: 31, noOrphan: true, lossy: true},
		lenses: []lens{noOwners, noModes, noXattrs, coarse(time.Second)}}, // GRUB's driver does not come back
}

// ntfsLens is for what ntfs3 forgets: the numbers of devices, and the mode that
// an ACL brings. A link's size is that of its UTF-16.
func ntfsLens(path string, n *node) {
	n.Rdev = 0
	if n.Target != "" {
		n.Size = 0
	}
	if path == "xattrs/acl" {
		n.Mode &^= 0o777
	}
}

func btrfsRaid1(t *testing.T) []string {
	dir := t.TempDir()
	list := []string{dir + "/a", dir + "/b"}
	for _, path := range list {
		rig.Check(t, "make", os.WriteFile(path, nil, 0o644))
		rig.Check(t, "truncate", os.Truncate(path, 200<<20))
	}
	testimg.MustRun(t, "mkfs.btrfs", append([]string{"-q", "-d", "raid1", "-m", "raid1"}, list...)...)
	return list
}

// scale makes the caps smaller in the short mode, and larger in the long one.
func (c caps) scale() caps {
	switch {
	case testing.Short():
		c.many, c.links = min(c.many, 400), min(c.links, 100)
	case os.Getenv("UNBOOT_SOAK") != "" && c.many == 10000:
		c.many = 100000
	}
	return c
}

func (w writable) images(t *testing.T) []string {
	t.Helper()
	if w.make != nil {
		return w.make(t)
	}
	return []string{testimg.Writable(t, testimg.FS(t, w.fstype, w.options))}
}

// mounted boots a kernel, mounts the images, calls do with the root, and
// unmounts.
func (w writable) mounted(t *testing.T, images []string, flags uintptr, do func(k *lkl.Kernel, dir string)) {
	t.Helper()
	k := rig.Boot(t, &lkl.Config{Cmdline: w.cmdline, Memory: w.memory})
	defer k.Kill()
	var first string
	for _, image := range images {
		var disk string
		if flags&unix.MS_RDONLY != 0 {
			var err error
			disk, err = rig.AttachOverlay(k, image, 0)
			rig.Check(t, "attach", err)
		} else {
			disk = rig.Attach(t, k, image)
		}
		if first == "" {
			first = disk
		}
	}
	dir, err := rig.Mount(k, first, rig.Driver(w.fstype), flags, w.data)
	rig.Check(t, "mount", err)
	do(k, dir)
	if err := k.Unmount(dir, 0); err != nil {
		t.Errorf("unmount: %v\n%s", err, rig.LastLog(k, 10))
	}
	rig.Check(t, "close", k.Close())
}

func (w writable) read(t *testing.T, images []string) (got tree) {
	t.Helper()
	w.mounted(t, images, unix.MS_RDONLY, func(k *lkl.Kernel, dir string) {
		var err error
		if got, err = take(ours{&k.View}, dir, "lost+found", ".nilfs"); err != nil {
			t.Errorf("read: %v\n%s", err, rig.LastLog(k, 10))
		}
	})
	return got
}

func report(t *testing.T, what string, list []string) {
	t.Helper()
	for _, d := range list {
		t.Errorf("%s: %s", what, d)
	}
}

// TestWrites writes to every file system in every way.
func TestWrites(t *testing.T) {
	for _, w := range writables {
		t.Run(w.name, func(t *testing.T) {
			w.caps = w.caps.scale()
			images := w.images(t)
			var written tree
			w.mounted(t, images, 0, func(k *lkl.Kernel, dir string) {
				s := ours{&k.View}
				(&runner{t, s, dir, w.caps}).run()
				var err error
				written, err = take(s, dir, "lost+found", ".nilfs")
				rig.Check(t, "read back", err)
			})
			if t.Failed() {
				return
			}
			for _, image := range images {
				out, err := testimg.FsckOutput(w.fstype, image)
				var missing *testimg.Missing
				if errors.As(err, &missing) {
					t.Log(err)
				} else if err != nil {
					t.Errorf("the checker: %v\n%.2000s", err, out)
				}
				if w.make != nil {
					break // the checker finds the others
				}
			}
			report(t, "mounted again", diff(w.read(t, images), written, append(w.again, w.root())...))
			w.compareHost(t, images, written)
			w.compareFUSE(t, images[0], written)
		})
	}
}

// root is the lens for the root: file systems without owners do not keep its
// time either.
func (w writable) root() lens {
	if w.caps.posix {
		return func(string, *node) {}
	}
	return noRoot
}

// compareHost has the host's driver read what was written, and then write the
// same for us to read. Without such a driver, it is the same on the host's own
// file system, as far as ours can hold it.
func (w writable) compareHost(t *testing.T, images []string, written tree) {
	t.Helper()
	if len(images) > 1 {
		w.compareReference(t, written)
		return
	}
	err := onHost(t, images[0], rig.Driver(w.fstype), "ro", func(dir string) {
		seen, err := take(theirs{}, dir, "lost+found", ".nilfs")
		rig.Check(t, "host's read", err)
		report(t, "seen by the host", diff(seen, written))
		sparse(t, seen)
		sparse(t, written)
	})
	var missing *testimg.Missing
	if errors.As(err, &missing) {
		t.Log(err)
		w.compareReference(t, written)
		return
	}
	images = w.images(t)
	var their tree
	err = onHost(t, images[0], rig.Driver(w.fstype), "", func(dir string) {
		(&runner{t, theirs{}, dir, w.caps}).run()
		var err error
		their, err = take(theirs{}, dir, "lost+found", ".nilfs")
		rig.Check(t, "host's read", err)
	})
	rig.Check(t, "host's write", err)
	report(t, "written by the host", diff(w.read(t, images), their))
	report(t, "compared with the host's", diff(written, their))
}

func (w writable) compareReference(t *testing.T, written tree) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("only root can make a tree to compare with")
		return
	}
	dir := t.TempDir()
	(&runner{t, theirs{}, dir, w.caps}).run()
	want, err := take(theirs{}, dir)
	rig.Check(t, "read", err)
	// The root is the mkfs program's, and of some cannot be changed.
	want["."].Mtime = written["."].Mtime
	want["."].Mode, want["."].UID, want["."].GID = written["."].Mode, written["."].UID, written["."].GID
	report(t, "compared with a tree of the host", diff(written, want, w.lenses...))
}

func (w writable) compareFUSE(t *testing.T, image string, written tree) {
	t.Helper()
	if w.fuse == nil {
		return
	}
	skip := append([]string{"contents/sparse", "contents/all-hole", "many", "links", "symlinks", "nodes", "owners/link",
		".nilfs", ".reiserfs_priv"}, w.skip...)
	err := byFUSE(t, image, w.fuse, func(dir string) {
		seen, err := take(lenient{}, dir, skip...)
		if err != nil {
			t.Errorf("%s: %v", w.fuse[0], err)
			return
		}
		onlyFiles := func(tr tree) tree {
			out := tree{}
			for p, n := range tr {
				if m := n.Mode & unix.S_IFMT; m == unix.S_IFREG || m == unix.S_IFDIR {
					out[p] = n
				}
			}
			return out
		}
		if t.Logf("%s: %d nodes", w.fuse[0], len(seen)); len(seen) == 1 {
			t.Logf("%s does not know a feature of the file system", w.fuse[0])
			return
		}
		report(t, "seen by "+w.fuse[0], diff(onlyFiles(seen), onlyFiles(written.without(skip...)), grub))
	})
	var missing *testimg.Missing
	if errors.As(err, &missing) {
		t.Log(err)
	} else {
		rig.Check(t, w.fuse[0], err)
	}
}

// sparse fails if files with holes take the space of their size.
func sparse(t *testing.T, tr tree) {
	t.Helper()
	for _, name := range []string{"contents/sparse", "contents/all-hole"} {
		if n := tr[name]; n != nil && n.blocks*512 > 16<<20 {
			t.Errorf("%s takes %d bytes", name, n.blocks*512)
		}
	}
}
