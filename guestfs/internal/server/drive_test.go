package server

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
)

// fileSum returns a sum of a file's content. Holes are ignored, and so are blocks of
// zeroes: which of them are holes changes by itself.
func fileSum(t *testing.T, name string) [32]byte {
	t.Helper()
	f := must(os.Open(name))
	defer f.Close()
	sum := sha256.New()
	buf, zeroes := make([]byte, 1<<20), make([]byte, 4096)
	for off := int64(0); ; {
		start, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return [32]byte(sum.Sum(nil))
		} else if err != nil {
			t.Fatal(err)
		}
		off = start - start%4096
		n, err := f.ReadAt(buf, off)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		for i := 0; i < n; i += 4096 {
			if block := buf[i:min(i+4096, n)]; !bytes.Equal(block, zeroes[:len(block)]) {
				fmt.Fprintln(sum, off+int64(i))
				sum.Write(block)
			}
		}
		off += int64(n)
	}
}

// libraryOverlay makes the overlay that libguestfs does for a drive to be read only.
func libraryOverlay(t *testing.T, backing, format string) string {
	t.Helper()
	testimg.Need(t, "qemu-img")
	dir := filepath.Join(t.TempDir(), "libguestfsAbCdEf")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay1.qcow2")
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "backing_file="+backing+",backing_fmt="+format, name)
	return name
}

// TestReadOnlyDrives writes to drives of which nothing must change.
func TestReadOnlyDrives(t *testing.T) {
	raw := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	dir := t.TempDir()
	conv := filepath.Join(dir, "conv.qcow2")
	testimg.Need(t, "qemu-img")
	testimg.MustRun(t, "qemu-img", "convert", "-O", "qcow2", raw, conv)
	chain := filepath.Join(dir, "chain.qcow2")
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", conv, "-F", "qcow2", chain)
	larger := filepath.Join(dir, "larger.qcow2")
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", larger, "1G")
	for name, d := range map[string]Drive{
		"snapshot=on":              {Path: raw, ReadOnly: true},
		"overlay of raw":           {Path: libraryOverlay(t, raw, "raw"), Format: "qcow2", Unsafe: true},
		"overlay of qcow2":         {Path: libraryOverlay(t, conv, "qcow2"), Unsafe: true},
		"overlay of a chain":       {Path: libraryOverlay(t, chain, "qcow2"), Format: "qcow2", Unsafe: true},
		"overlay of a larger disk": {Path: libraryOverlay(t, larger, "qcow2"), Format: "qcow2", Unsafe: true},
		"qcow2 with snapshot=on":   {Path: conv, ReadOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			before := [...][32]byte{fileSum(t, raw), fileSum(t, conv), fileSum(t, d.Path)}
			g := mountImage(t, d)
			g.do(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: "/new", Content: []byte("hello\n")})
			if lines := g.strs(rpc.ProcHead, &rpc.HeadArgs{Path: "/new"}); len(lines) != 1 || lines[0] != "hello" {
				t.Errorf("%q", lines)
			}
			g.do(rpc.ProcInternalAutosync, &rpc.None{})
			if after := [...][32]byte{fileSum(t, raw), fileSum(t, conv), fileSum(t, d.Path)}; after != before {
				t.Error("an image has changed")
			}
		})
	}
}

// TestQcow2Written writes to somebody's images: an overlay over another image, from which
// it is not to be told apart by its name alone that it is not the library's own.
func TestQcow2Written(t *testing.T) {
	testimg.Need(t, "qemu-img")
	dir := t.TempDir()
	raw := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	before := fileSum(t, raw)
	for name, d := range map[string]Drive{
		"an overlay":       {Path: filepath.Join(dir, "own.qcow2")},
		"one like it":      {Path: filepath.Join(dir, "overlay1.qcow2"), Format: "qcow2", Unsafe: true},
		"with subclusters": {Path: filepath.Join(dir, "sub.qcow2"), Format: "qcow2", Discard: true},
	} {
		t.Run(name, func(t *testing.T) {
			options := "compat=1.1"
			if d.Discard {
				options = "extended_l2=on"
			}
			testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", options, "-b", raw, "-F", "raw", d.Path)
			g := mountImage(t, d)
			g.do(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: "/new", Content: []byte("hello\n")})
			g.do(rpc.ProcUmountAll, &rpc.None{})
			g.do(rpc.ProcInternalAutosync, &rpc.None{})
			out := filepath.Join(dir, "out")
			testimg.MustRun(t, "qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw", d.Path, out)
			if got := testimg.MustRun(t, "debugfs", "-R", "cat /new", out); !strings.Contains(got, "hello") {
				t.Errorf("%q", got)
			}
			if fileSum(t, raw) != before {
				t.Error("the backing file has changed")
			}
		})
	}
}

// TestQcow2Refused has qcow2 drives that cannot be served.
func TestQcow2Refused(t *testing.T) {
	testimg.Need(t, "qemu-img")
	dir := t.TempDir()
	raw := blank(t)
	corrupt := filepath.Join(dir, "corrupt.qcow2")
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", corrupt)
	marked := must(os.ReadFile(corrupt))
	marked[79] |= 2
	os.WriteFile(corrupt, marked, 0o600)
	if _, c, err := openDrive(Drive{Path: corrupt}); err == nil || !strings.Contains(err.Error(), "corrupt") {
		t.Error(err)
		if err == nil {
			c.Close()
		}
	}
	gone := libraryOverlay(t, raw, "raw")
	os.Remove(raw)
	if _, err := New(Config{Drives: []Drive{{Path: gone, Unsafe: true}}}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// A disk that only looks like an image names no files.
	inner := filepath.Join(dir, "inner.qcow2")
	secret := blank(t)
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", inner)
	outer := filepath.Join(dir, "outer.qcow2")
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", inner, "-F", "qcow2", outer)
	// Without the format, as old programs have written it: another kind of extension.
	data := must(os.ReadFile(outer))
	extension := bytes.Index(data, []byte{0xe2, 0x79, 0x2a, 0xca})
	data[extension] = 0x12
	os.WriteFile(outer, data, 0o600)
	if _, c, err := openDrive(Drive{Path: outer, ReadOnly: true}); err == nil {
		c.Close()
		t.Error("a guessed image has named a file")
	}
}

// TestBlockSize has drives with sectors of other sizes.
func TestBlockSize(t *testing.T) {
	img := blank(t)
	c := connect(t, Drive{Path: img, LogicalBlock: 4096, PhysicalBlock: 4096}, Drive{Path: blank(t)})
	mark := []byte("mark")
	n := 0
	a := &rpc.PwriteDeviceArgs{Device: "/dev/sda", Content: mark, Offset: 5000}
	if err := invoke(c, rpc.ProcPwriteDevice, a, func(x *xdr.Codec) { x.Int(&n) }); err != nil || n != len(mark) {
		t.Fatal(n, err)
	}
	if err := invoke(c, rpc.ProcSync, &rpc.None{}, nil); err != nil {
		t.Fatal(err)
	}
	if got := must(os.ReadFile(img)); string(got[5000:5004]) != "mark" {
		t.Error("the write is not in the image")
	}
}

// TestSubvolumes mounts subvolumes of btrfs.
func TestSubvolumes(t *testing.T) {
	testimg.Need(t, "btrfs")
	img := testimg.Writable(t, testimg.FS(t, "btrfs", testimg.Options{}))
	t.Run("make", func(t *testing.T) {
		host := testimg.Loop(t, img, "btrfs", "")
		testimg.MustRun(t, "btrfs", "subvolume", "create", filepath.Join(host, "root"))
		testimg.MustRun(t, "btrfs", "subvolume", "create", filepath.Join(host, "root", "home"))
		if err := os.WriteFile(filepath.Join(host, "root", "home", "file"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if t.Failed() {
		return
	}
	g := mountImage(t, Drive{Path: img, ReadOnly: true})
	g.do(rpc.ProcUmountAll, &rpc.None{})
	g.do(rpc.ProcMount, &rpc.MountArgs{Mountable: "btrfsvol:/dev/vda/root", Mountpoint: "/"})
	g.do(rpc.ProcMkdir, &rpc.MkdirArgs{Path: "/mnt"})
	g.do(rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: "btrfsvol:/dev/sda/root/home", Mountpoint: "/mnt"})
	var size int64
	if err := invoke(g.c, rpc.ProcFilesize, &rpc.FilesizeArgs{File: "/mnt/file"}, func(x *xdr.Codec) { x.Int64(&size) }); err != nil || size != 1 {
		t.Error(size, err)
	}
	g.fails(rpc.ProcTouch, &rpc.TouchArgs{Path: "/mnt/new"}, unix.EROFS, "open: /mnt/new: Read-only file system")
	g.fails(rpc.ProcMount, &rpc.MountArgs{Mountable: "btrfsvol:/dev/sda/none", Mountpoint: "/mnt"}, unix.ENOENT, "mount exited with status 32")
	var m rpc.InternalMountable
	if err := invoke(g.c, rpc.ProcInternalParseMountable, &rpc.InternalParseMountableArgs{Mountable: "btrfsvol:/dev/sda/root/home"}, m.Code); err != nil ||
		m != (rpc.InternalMountable{ImType: mountableVolume, ImDevice: "/dev/sda", ImVolume: "root/home"}) {
		t.Errorf("%+v, %v", m, err)
	}
	if got := g.strs(rpc.ProcMounts, &rpc.None{}); len(got) != 2 {
		t.Errorf("%q", got)
	}
}
