package testimg

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/unboot/unboot/volume/part"
)

// Every type can be made empty and filled, or says what is missing, and its own
// checker finds no fault.
func TestFS(t *testing.T) {
	for _, name := range Types() {
		t.Run(name, func(t *testing.T) {
			image := FS(t, name, Options{Tree: Populates(name)})
			if checkers[name] != nil {
				Fsck(t, name, image)
			}
		})
	}
}

// hostDriver is the driver that mounts the images of a type.
var hostDriver = map[string]string{"joliet": "iso9660", "fat12": "vfat", "fat16": "vfat", "fat32": "vfat"}

// The host's kernel sees on an image what TreeFor promises.
func TestTreeFor(t *testing.T) {
	for _, name := range Types() {
		if !Populates(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			driver := name
			if d, ok := hostDriver[name]; ok {
				driver = d
			}
			if !HostHas(driver) {
				t.Skip(&Missing{"the host's " + driver + " driver"})
			}
			dir := Loop(t, FS(t, name, Options{Tree: true}), driver, "ro")
			nodes := TreeFor(name)
			if len(nodes) < 300 {
				t.Errorf("only %d nodes", len(nodes))
			}
			links := map[string]string{}
			for i := range nodes {
				for _, diff := range compare(dir, &nodes[i], links, name == "xfs") {
					t.Errorf("%q: %s", nodes[i].Path, diff)
				}
			}
		})
	}
}

// compare returns how a mounted node differs from what it should be.
func compare(dir string, n *Node, links map[string]string, noTimes bool) (diffs []string) {
	path := filepath.Join(dir, n.Path)
	st, err := os.Lstat(path)
	if err != nil {
		return []string{err.Error()}
	}
	sys := st.Sys().(*syscall.Stat_t)
	differ := func(what string, got, want any) {
		if got != want {
			diffs = append(diffs, fmt.Sprintf("%s %v, want %v", what, got, want))
		}
	}
	if n.LinkTo != "" {
		first, err := os.Lstat(filepath.Join(dir, n.LinkTo))
		differ("hard link", err == nil && os.SameFile(first, st), true)
		return diffs
	}
	differ("mode", st.Mode(), n.Mode)
	differ("uid", int(sys.Uid), n.UID)
	differ("gid", int(sys.Gid), n.GID)
	if n.Mode&fs.ModeSymlink != 0 {
		target, _ := os.Readlink(path)
		differ("target", target, n.Target)
		return diffs
	}
	if !noTimes {
		differ("mtime", st.ModTime().Unix(), n.Mtime.Unix())
	}
	if n.Mode&fs.ModeDevice != 0 {
		differ("rdev", int(sys.Rdev), makedev(n.Major, n.Minor))
	}
	if n.Mode.IsRegular() {
		data, err := os.ReadFile(path)
		differ("read", err, nil)
		differ("content", string(data) == string(n.Bytes()), true)
	}
	for name, want := range n.Xattrs {
		buf := make([]byte, 256)
		c, err := syscall.Getxattr(path, name, buf)
		differ(name, err, nil)
		differ(name, string(buf[:max(c, 0)]), want)
	}
	return diffs
}

// A test that writes to a shared image fails.
func TestSharedChange(t *testing.T) {
	image := filepath.Join(t.TempDir(), "img")
	if err := blank(image, 4096); err != nil {
		t.Fatal(err)
	}
	var r recorder
	shared(&r, image)
	r.cleanup()
	if r.failed {
		t.Error("an unchanged image was reported")
	}
	shared(&r, image)
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Chtimes(image, epoch, epoch); err != nil {
		t.Fatal(err)
	}
	if r.cleanup(); !r.failed {
		t.Error("a changed image was not reported")
	}
}

// recorder is a test that is watched.
type recorder struct {
	testing.TB
	failed  bool
	cleanup func()
}

func (r *recorder) Helper()               {}
func (r *recorder) Cleanup(f func())      { r.cleanup = f }
func (r *recorder) Errorf(string, ...any) { r.failed = true }

// A copy has the same bytes and the same holes.
func TestCopySparse(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	node := Node{Path: "src", Mode: 0o644, Size: 64 * mib, Mtime: epoch, UID: os.Getuid(), GID: os.Getgid(),
		Chunks: []Chunk{{8192, []byte("a")}, {40 * mib, Pattern(100000, 1)}}}
	if err := WriteTree(dir, []Node{node}); err != nil {
		t.Fatal(err)
	}
	if err := Copy(src, dst); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dst)
	if err != nil || string(data) != string(node.Bytes()) {
		t.Error("the copy differs", err)
	}
	st, err := os.Stat(dst)
	if err != nil {
		t.Fatal(err)
	}
	if kib := st.Sys().(*syscall.Stat_t).Blocks / 2; kib > 1024 {
		t.Errorf("the copy occupies %d KiB", kib)
	}
	part := Extract(t, src, 40*mib-1, 10)
	if data, err := os.ReadFile(part); err != nil || string(data) != "\x00"+string(Pattern(9, 1)) {
		t.Errorf("extracted %q, %v", data, err)
	}
}

// The Debian disk has the partitions and file systems that its constants say.
// It runs only where the image is there already or can be made quickly enough.
func TestDebian(t *testing.T) {
	if testing.Short() {
		t.Skip("making a Debian root file system takes a minute")
	}
	for _, kind := range DebianKinds {
		t.Run(kind, func(t *testing.T) {
			image := Debian(t, kind)
			fstype, _, _ := strings.Cut(kind, "-")
			for off, want := range map[int64]string{DebianRootOffset: fstype + " " + DebianRootUUID, DebianESPOffset: "vfat " + DebianESPUUID} {
				out := MustRun(t, "blkid", "-p", "-O", fmt.Sprint(off), "-o", "value", "-s", "TYPE", "-s", "UUID", image)
				got := strings.Fields(out)
				if len(got) != 2 || got[1]+" "+got[0] != want && got[0]+" "+got[1] != want {
					t.Errorf("at %d: %q, want %q", off, got, want)
				}
			}
			checkTable(t, image)
			Fsck(t, fstype, Extract(t, image, DebianRootOffset, DebianRootSize))
			Fsck(t, "vfat", Extract(t, image, DebianESPOffset, DebianESPSize))
		})
	}
}

func checkTable(t *testing.T, image string) {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := part.Read(f, debianSize, 512)
	if err != nil || len(table.Problems) != 0 || len(table.Partitions) != 3 {
		t.Fatalf("%+v, %v", table, err)
	}
	root, bios, esp := table.Partitions[0], table.Partitions[1], table.Partitions[2]
	if root.Start != DebianRootOffset || root.Size != DebianRootSize || root.TypeName != "Linux root (x86-64)" {
		t.Errorf("%+v", root)
	}
	if bios.TypeName != "BIOS boot" {
		t.Errorf("%+v", bios)
	}
	if esp.Start != DebianESPOffset || esp.Size != DebianESPSize || esp.TypeName != "EFI system" {
		t.Errorf("%+v", esp)
	}
}
