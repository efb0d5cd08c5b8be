package matrix

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// A readable is an image that a program has filled from a tree.
type readable struct {
	name   string
	fstype string // of testimg
	args   []string
	data   string
	lenses []lens
	// make makes the image by other means, from the tree in a directory.
	make func(t *testing.T, dir, image string)
	tree func() []testimg.Node
}

func noLinks(_ string, n *node) { n.Nlink = 1 }
func noTimes(_ string, n *node) { n.Mtime = time.Time{} }

// noLinkTimes: the source's links have the times at which they were made, and
// an image has been made at another time.
func noLinkTimes(_ string, n *node) {
	if n.Target != "" {
		n.Mtime = time.Time{}
	}
}

var readables = []readable{
	{name: "squashfs-gzip", fstype: "squashfs"},
	{name: "squashfs-xz", fstype: "squashfs", args: []string{"-comp", "xz"}},
	{name: "squashfs-xz-x86", fstype: "squashfs", args: []string{"-comp", "xz", "-Xbcj", "x86"}},
	{name: "squashfs-zstd", fstype: "squashfs", args: []string{"-comp", "zstd"}},
	{name: "squashfs-lzo", fstype: "squashfs", args: []string{"-comp", "lzo"}},
	{name: "squashfs-lz4", fstype: "squashfs", args: []string{"-comp", "lz4", "-Xhc"}},
	{name: "squashfs-plain", fstype: "squashfs", args: []string{"-noI", "-noD", "-noF", "-noX", "-no-fragments"}},
	{name: "squashfs-1M", fstype: "squashfs", args: []string{"-b", "1M", "-always-use-fragments"}},
	{name: "erofs", fstype: "erofs"},
	{name: "erofs-lz4", fstype: "erofs", args: []string{"-zlz4"}},
	{name: "erofs-lz4hc", fstype: "erofs", args: []string{"-zlz4hc,12"}},
	{name: "erofs-lz4-big", fstype: "erofs", args: []string{"-zlz4", "-C65536", "-Eztailpacking"}},
	{name: "erofs-lzma", fstype: "erofs", args: []string{"-zlzma"}},
	{name: "erofs-deflate", fstype: "erofs", args: []string{"-zdeflate"}},
	{name: "erofs-zstd", fstype: "erofs", args: []string{"-zzstd"}},
	{name: "iso9660-rockridge", fstype: "iso9660", lenses: []lens{noRootAtAll, noDeepTimes}},
	{name: "iso9660-joliet", fstype: "joliet", lenses: []lens{noRootAtAll, noOwners, noModes, noDeepTimes}},
	{name: "iso9660-zisofs", fstype: "iso9660", lenses: []lens{noRootAtAll, noDeepTimes}, make: makeZisofs},
	{name: "iso9660-xorriso", fstype: "iso9660", lenses: []lens{noRootAtAll, noDeepTimes, oddDevice}, make: makeXorriso},
	{name: "udf-genisoimage", fstype: "udf", lenses: []lens{noRootAtAll, noOwners, noModes, noTimes}, make: makeUDF,
		tree: func() []testimg.Node { return testimg.TreeFor("joliet") }},
	{name: "cramfs", fstype: "cramfs", lenses: []lens{noTimes, noLinks, oddDevice}},
	{name: "romfs", fstype: "romfs", lenses: []lens{noTimes, noOwners, noModes, noLinks}},
	{name: "hfsplus", fstype: "hfsplus", lenses: []lens{noRootAtAll, noOwners, noModes, noLinks}},
	{name: "ufs1", fstype: "ufs1", data: "ufstype=44bsd"},
	{name: "ext2", fstype: "ext2"},
	{name: "ext4", fstype: "ext4"},
	{name: "btrfs", fstype: "btrfs"},
	{name: "xfs", fstype: "xfs", lenses: []lens{noTimes}},
	{name: "f2fs", fstype: "f2fs", lenses: []lens{sloadOwners}},
	{name: "vfat", fstype: "vfat", data: "utf8=1,tz=UTC", lenses: []lens{noOwners, noModes}},
}

// noDeepTimes: genisoimage moves directories that are too deep, and back.
func noDeepTimes(path string, n *node) {
	if strings.HasPrefix(path, "deep/") && n.Mode&unix.S_IFMT == unix.S_IFDIR {
		n.Mtime = time.Time{}
	}
}

// oddDevice leaves out the device with a large number, which the program has
// written otherwise.
func oddDevice(path string, n *node) {
	if path == "nodes/tty300" {
		n.Rdev = 0
	}
}

// sloadOwners: sload.f2fs cuts owners to 16 bits.
func sloadOwners(_ string, n *node) { n.UID, n.GID = n.UID&0xffff, n.GID&0xffff }

// noRootAtAll is for programs that make a root of their own.
func noRootAtAll(path string, n *node) {
	if path == "." {
		*n = node{}
	}
}

func makeZisofs(t *testing.T, dir, image string) {
	packed := dir + ".z"
	testimg.MustRun(t, "mkzftree", dir, packed)
	testimg.MustRun(t, "genisoimage", "-quiet", "-R", "-z", "-iso-level", "3", "-cache-inodes", "-o", image, packed)
}

func makeXorriso(t *testing.T, dir, image string) {
	testimg.MustRun(t, "xorriso", "-as", "mkisofs", "-quiet", "-R", "-iso-level", "3", "-o", image, dir)
}

func makeUDF(t *testing.T, dir, image string) {
	testimg.MustRun(t, "genisoimage", "-quiet", "-udf", "-iso-level", "3", "-allow-limited-size", "-o", image, dir)
}

// TestReads compares what we read of images with the trees they were made
// from, and with what the host's driver reads, if there is one.
func TestReads(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make the trees to compare with")
	}
	for _, r := range readables {
		t.Run(r.name, func(t *testing.T) {
			nodes := testimg.TreeFor(r.fstype)
			if r.tree != nil {
				nodes = r.tree()
			}
			dir := t.TempDir() + "/tree"
			rig.Check(t, "mkdir", os.Mkdir(dir, 0o755))
			rig.Check(t, "write", testimg.WriteTree(dir, nodes))
			want, err := take(theirs{}, dir)
			rig.Check(t, "read", err)

			var image string
			if r.make != nil {
				image = filepath.Join(t.TempDir(), "image")
				r.make(t, dir, image)
			} else {
				if image, err = testimg.BuildFS(r.fstype, testimg.Options{Tree: true, Args: r.args}); err != nil {
					t.Skip("cannot be made here: ", err)
				}
			}
			k := rig.Boot(t, nil)
			got := r.read(t, k, image)
			report(t, "compared with the source", diff(got.without("rr_moved"), want, append(r.lenses, noRoot, noLinkTimes)...))
			err = onHost(t, image, rig.Driver(r.fstype), "ro", func(dir string) {
				seen, err := take(theirs{}, dir, "lost+found")
				rig.Check(t, "host's read", err)
				report(t, "compared with the host's", diff(got, seen))
			})
			var missing *testimg.Missing
			if errors.As(err, &missing) {
				t.Log(err)
			} else {
				rig.Check(t, "host", err)
			}
		})
	}
}

func (r readable) read(t *testing.T, k *lkl.Kernel, image string) tree {
	t.Helper()
	unchanged := rig.Unchanged(t, image)
	f := rig.Open(t, image, os.O_RDONLY)
	disk, err := k.AttachDisk(lkl.Disk{File: f, ReadOnly: true})
	rig.Check(t, "attach", err)
	dir, err := rig.Mount(k, disk, rig.Driver(r.fstype), unix.MS_RDONLY, r.data)
	rig.Check(t, "mount", err)
	got, err := take(ours{&k.View}, dir, "lost+found")
	if err != nil {
		t.Fatalf("read: %v\n%s", err, rig.LastLog(k, 10))
	}
	rig.Check(t, "unmount", k.Unmount(dir, 0))
	rig.Check(t, "close", k.Close())
	unchanged()
	return got
}
