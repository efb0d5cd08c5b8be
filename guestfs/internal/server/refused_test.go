package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
)

// refused makes a call that has to fail with a text and, as in the appliance, where
// a program does it, without an errno.
func refused(t *testing.T, c *protocol.Client, proc uint32, a rpc.Args, want string) {
	t.Helper()
	wantError(t, c, proc, a, want)
	if err := invoke(c, proc, a, nil); err != nil && protocol.Errno(err) != 0 {
		t.Errorf("%s %+v: errno %v", rpc.Lookup(proc).Name, a, protocol.Errno(err))
	}
}

// TestRefused has what the appliance refuses: with its errno, and before anything is lost.
func TestRefused(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.ext4", "sfdisk")
	disk := image(t, 64)
	testimg.MustRun(t, "sh", "-c", "printf 'label: gpt\nsize=30M\nsize=20M\n' | sfdisk -q "+disk)
	c := connect(t, Drive{Path: disk})
	const dev = "/dev/sda1"
	refused(t, c, rpc.ProcGlobExpand, &rpc.GlobExpandArgs{Pattern: "/*"}, "glob_expand_stub: you must call 'mount' first.*")
	wantOK(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext4", Device: dev})
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: dev, Mountpoint: "/"})
	for _, dir := range []string{"/dir/sub", "/to/sub"} {
		wantOK(t, c, rpc.ProcMkdirP, &rpc.MkdirPArgs{Path: dir})
	}
	for _, file := range []string{"/file", "/to/dir", "/from"} {
		wantOK(t, c, rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: file, Content: []byte(file)})
	}
	wantOK(t, c, rpc.ProcMkdir, &rpc.MkdirArgs{Path: "/dir/from"})
	wantOK(t, c, rpc.ProcLnS, &rpc.LnSArgs{Target: "file", Linkname: "/link"})
	for _, call := range []struct {
		proc uint32
		a    rpc.Args
		want string
	}{
		{rpc.ProcCpA, &rpc.CpAArgs{Src: "/dir", Dest: "/file"}, "cp: cannot overwrite non-directory '/file' with directory '/dir'"},
		{rpc.ProcCpR, &rpc.CpRArgs{Src: "/dir", Dest: "/file"}, "cp: cannot overwrite non-directory '/file' with directory '/dir'"},
		{rpc.ProcCpA, &rpc.CpAArgs{Src: "/dir", Dest: "/to"}, "cp: cannot overwrite non-directory '/to/dir' with directory '/dir'"},
		{rpc.ProcCpA, &rpc.CpAArgs{Src: "/from", Dest: "/dir"}, "cp: cannot overwrite directory '/dir/from' with non-directory '/from'"},
		{rpc.ProcCpR, &rpc.CpRArgs{Src: "/dir", Dest: "/dir/sub"}, "cp: cannot copy a directory, '/dir', into itself, '/dir/sub/dir'"},
		{rpc.ProcCpA, &rpc.CpAArgs{Src: "/file", Dest: "/link"}, "cp: '/file' and '/link' are the same file"},
		{rpc.ProcCpR, &rpc.CpRArgs{Src: "/file", Dest: "/file"}, "cp: '/file' and '/file' are the same file"},
		{rpc.ProcCp, &rpc.CpArgs{Src: "/nope", Dest: "/x"}, "cp: cannot stat '/nope': No such file or directory"},
		{rpc.ProcCpA, &rpc.CpAArgs{Src: "/nope", Dest: "/x"}, "cp: cannot stat '/nope': No such file or directory"},
		{rpc.ProcMv, &rpc.MvArgs{Src: "/nope", Dest: "/x"}, "mv: cannot stat '/nope': No such file or directory"},
		{rpc.ProcMv, &rpc.MvArgs{Src: "/dir", Dest: "/file"}, "mv: cannot overwrite non-directory '/file' with directory '/dir'"},
		{rpc.ProcMv, &rpc.MvArgs{Src: "/dir", Dest: "/dir/sub/x"}, "mv: cannot move '/dir' to a subdirectory of itself, '/dir/sub/x'"},
		{rpc.ProcMv, &rpc.MvArgs{Src: "/file", Dest: "/file"}, "mv: '/file' and '/file' are the same file"},
		{rpc.ProcLnS, &rpc.LnSArgs{Target: "x", Linkname: "/link"}, "ln -s: x: /link: ln: failed to create symbolic link '/link': File exists"},
		{rpc.ProcChecksum, &rpc.ChecksumArgs{Csumtype: "md5", Path: "/dir"}, "/dir: is a directory"},
		{rpc.ProcHead, &rpc.HeadArgs{Path: "/dir"}, "/dir: is a directory"},
		{rpc.ProcGrep, &rpc.GrepArgs{Regex: "x", Path: "/dir"}, "/dir: is a directory"},
		{rpc.ProcTouch, &rpc.TouchArgs{Path: "/dir"}, "/dir: touch can only be used on a regular files"},
		{rpc.ProcEqual, &rpc.EqualArgs{File1: "/nope", File2: "/file"}, "/nope: No such file or directory"},
		{rpc.ProcDu, &rpc.DuArgs{Path: "/nope"}, "/nope: du: cannot access '/nope': No such file or directory"},
		{rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext4", Device: dev}, "ext4: /dev/sda1: open: /dev/sda1: Device or resource busy"},
		{rpc.ProcMke2fs, &rpc.Mke2fsArgs{Device: "/dev/sda2", Fstype: rpc.Some("ext9")}, "ext9: not a valid extended filesystem type"},
		{rpc.ProcGetE2attrs, &rpc.GetE2attrsArgs{File: "/nope"}, "open: /nope: No such file or directory"},
		{rpc.ProcBtrfsSubvolumeDelete, &rpc.BtrfsSubvolumeDeleteArgs{Subvolume: "/dir"}, "/dir: not on a btrfs filesystem"},
		{rpc.ProcMkswapFile, &rpc.MkswapFileArgs{Path: "/nope"}, "/nope: No such file or directory"},
		{rpc.ProcMkswap, &rpc.MkswapArgs{Device: dev}, "open: /dev/sda1: Device or resource busy"},
		{rpc.ProcPartInit, &rpc.PartInitArgs{Device: "/dev/sda", Parttype: "mbr"}, `/dev/sda: Partition\(s\) on /dev/sda are being used.`},
		{rpc.ProcPartDel, &rpc.PartDelArgs{Device: "/dev/sda", Partnum: 1}, "/dev/sda: Partition /dev/sda1 is being used."},
		{rpc.ProcMount, &rpc.MountArgs{Mountable: dev, Mountpoint: "/"}, "mount exited with status 32: mount: /: /dev/sda1 already mounted on /."},
		{rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: dev, Mountpoint: "/"}, "mount exited with status 32: mount: /: /dev/sda1 already mounted on /."},
	} {
		refused(t, c, call.proc, call.a, call.want)
	}
	// link(2) does not go into a directory.
	wantError(t, c, rpc.ProcLn, &rpc.LnArgs{Target: "/file", Linkname: "/dir"}, "link: /file: /dir: File exists")
	status := int32(0)
	if err := invoke(c, rpc.ProcFsck, &rpc.FsckArgs{Fstype: "ext4", Device: dev}, func(x *xdr.Codec) { x.Int32(&status) }); err != nil || status != 8 {
		t.Errorf("fsck of what is mounted: %d, %v", status, err)
	}
	g := guest{t, c}
	for _, file := range []string{"/file", "/to/dir", "/from"} {
		if lines := g.strs(rpc.ProcHead, &rpc.HeadArgs{Path: file}); !slices.Equal(lines, []string{file}) {
			t.Errorf("%s is now %q", file, lines)
		}
	}
	wantOK(t, c, rpc.ProcPartDel, &rpc.PartDelArgs{Device: "/dev/sda", Partnum: 2})
}

// TestRussianDolls has a file system in a file of one that is read-only, as live media do.
func TestRussianDolls(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mksquashfs", "xorriso", "mkfs.ext4")
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	if err := os.MkdirAll(filepath.Join(tree, "cd"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "inside"), []byte("the inner one\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "mksquashfs", tree, filepath.Join(tree, "cd", "squashfs.img"), "-quiet", "-no-progress", "-e", filepath.Join(tree, "cd"))
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", filepath.Join(tree, "cd", "ext4.img"), "4M")
	iso := filepath.Join(dir, "live.iso")
	testimg.MustRun(t, "xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", iso, filepath.Join(tree, "cd"))
	c := connect(t, Drive{Path: iso, ReadOnly: true})
	g := guest{t, c}
	for _, p := range []string{"/cd", "/loop", "/ext4"} {
		wantOK(t, c, rpc.ProcMkmountpoint, &rpc.MkmountpointArgs{Exemptpath: p})
	}
	for range 2 { // the directories are still there after the first time
		wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/cd"})
		wantOK(t, c, rpc.ProcMountLoop, &rpc.MountLoopArgs{File: "/cd/squashfs.img", Mountpoint: "/loop"})
		wantOK(t, c, rpc.ProcMountLoop, &rpc.MountLoopArgs{File: "/cd/ext4.img", Mountpoint: "/ext4"})
		if lines := g.strs(rpc.ProcHead, &rpc.HeadArgs{Path: "/loop/inside"}); !slices.Equal(lines, []string{"the inner one"}) {
			t.Errorf("%q", lines)
		}
		wantError(t, c, rpc.ProcTouch, &rpc.TouchArgs{Path: "/ext4/new"}, "open: /ext4/new: Read-only file system")
		refused(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/cd"}, ".*: /dev/sda already mounted on /cd.")
		wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
		if got := list(t, c, rpc.ProcMounts); len(got) > 0 {
			t.Errorf("still mounted: %s", strings.Join(got, " "))
		}
	}
	wantOK(t, c, rpc.ProcRmmountpoint, &rpc.RmmountpointArgs{Exemptpath: "/loop"})
	wantError(t, c, rpc.ProcRmmountpoint, &rpc.RmmountpointArgs{Exemptpath: "/loop"}, "/loop: No such file or directory")
}
