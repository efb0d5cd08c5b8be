package server

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
)

// These are what libguestfs's own tests have found (test/upstream).

func TestCopyAttributesExcept(t *testing.T) {
	g := mountImage(t, Drive{Path: testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))})
	g.do(rpc.ProcTouch, &rpc.TouchArgs{Path: "/from"})
	g.do(rpc.ProcTouch, &rpc.TouchArgs{Path: "/to"})
	g.do(rpc.ProcChmod, &rpc.ChmodArgs{Path: "/from", Mode: 0o712})
	g.do(rpc.ProcChown, &rpc.ChownArgs{Path: "/from", Owner: 10, Group: 11})
	g.do(rpc.ProcChmod, &rpc.ChmodArgs{Path: "/to", Mode: 0o111})
	g.do(rpc.ProcCopyAttributes, &rpc.CopyAttributesArgs{Src: "/from", Dest: "/to", All: rpc.Some(true), Mode: rpc.Some(false)})
	var st rpc.Statns
	if err := invoke(g.c, rpc.ProcStatns, &rpc.StatnsArgs{Path: "/to"}, func(x *xdr.Codec) { st.Code(x) }); err != nil {
		t.Fatal(err)
	}
	if st.StMode&0o7777 != 0o111 || st.StUid != 10 || st.StGid != 11 {
		t.Errorf("%+v", st)
	}
}

// TestXattrTerminator: the length of a value may count the zero at the end of a C string.
func TestXattrTerminator(t *testing.T) {
	g := mountImage(t, Drive{Path: testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))})
	g.do(rpc.ProcTouch, &rpc.TouchArgs{Path: "/f"})
	for n, want := range []string{"", "l", "la", "la\x00"} {
		g.do(rpc.ProcLsetxattr, &rpc.LsetxattrArgs{Path: "/f", Xattr: "security.selinux", Val: "la", Vallen: n})
		var got []byte
		err := invoke(g.c, rpc.ProcLgetxattr, &rpc.LgetxattrArgs{Path: "/f", Name: "security.selinux"}, func(x *xdr.Codec) { x.Bytes(&got) })
		if string(got) != want || err != nil {
			t.Errorf("%d: %q, %v, want %q", n, got, err, want)
		}
	}
	wantError(t, g.c, rpc.ProcLsetxattr, &rpc.LsetxattrArgs{Path: "/f", Xattr: "user.x", Val: "la", Vallen: 4}, ".*out of range.*")
}

func TestInotifyInitTwice(t *testing.T) {
	g := mountImage(t, Drive{Path: testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))})
	g.do(rpc.ProcInotifyInit, &rpc.InotifyInitArgs{})
	var watch int64
	if err := invoke(g.c, rpc.ProcInotifyAddWatch, &rpc.InotifyAddWatchArgs{Path: "/", Mask: unix.IN_CREATE}, func(x *xdr.Codec) { x.Int64(&watch) }); err != nil {
		t.Error(err)
	}
	g.do(rpc.ProcInotifyInit, &rpc.InotifyInitArgs{})
	g.do(rpc.ProcTouch, &rpc.TouchArgs{Path: "/unseen"})
	if files := g.strs(rpc.ProcInotifyFiles, &rpc.None{}); len(files) != 0 {
		t.Errorf("a watch outlived: %q", files)
	}
}

func TestCaseSensitiveDirectory(t *testing.T) {
	g := mountImage(t, Drive{Path: testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))})
	g.do(rpc.ProcTouch, &rpc.TouchArgs{Path: "/file"})
	g.do(rpc.ProcMkdir, &rpc.MkdirArgs{Path: "/dir"})
	if p := g.str(rpc.ProcCaseSensitivePath, &rpc.CaseSensitivePathArgs{Path: "/DIR/"}); p != "/dir" {
		t.Errorf("%q", p)
	}
	g.fails(rpc.ProcCaseSensitivePath, &rpc.CaseSensitivePathArgs{Path: "/FILE/"}, unix.ENOTDIR, "/file")
}

// TestDebugError: an error's text of any length arrives, shortened to what a message takes.
func TestDebugError(t *testing.T) {
	c := connect(t)
	for _, n := range []int{1, 65535, 65536, 65537, 1000000} {
		err := invoke(c, rpc.ProcDebug, &rpc.DebugArgs{Subcmd: "error", Extraargs: []string{strconv.Itoa(n)}}, nil)
		if !errors.Is(err, unix.EROFS) || strings.Trim(err.Error(), "a") != "" || len(err.Error()) < min(n, 60000) {
			t.Errorf("%d: %.100v", n, err)
		}
	}
	wantError(t, c, rpc.ProcDebug, &rpc.DebugArgs{Subcmd: "error", Extraargs: []string{"1000001"}}, ".*too large")
	wantError(t, c, rpc.ProcDebug, &rpc.DebugArgs{Subcmd: "error", Extraargs: []string{"-1"}}, ".*length of error message")
}

func TestUtsname(t *testing.T) {
	needKernel(t)
	c := connect(t, Drive{Path: image(t, 1)})
	var u rpc.Utsname
	if err := invoke(c, rpc.ProcUtsname, &rpc.None{}, func(x *xdr.Codec) { u.Code(x) }); err != nil {
		t.Fatal(err)
	}
	if u.UtsSysname != "Linux" || !strings.HasPrefix(u.UtsRelease, "6.") || !strings.HasPrefix(u.UtsVersion, "#") || u.UtsMachine == "" {
		t.Errorf("%+v", u)
	}
}

// TestLvmRemoveAll removes the label of a physical volume, and nothing else.
func TestLvmRemoveAll(t *testing.T) {
	needKernel(t)
	disk, other := image(t, 16), image(t, 16)
	f, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(lvmLabelSector(), 512)
	if err == nil {
		_, err = f.WriteAt([]byte("metadata"), 4096)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	c := connect(t, Drive{Path: disk, Format: "raw"}, Drive{Path: other, Format: "raw"})
	wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/sda"}, "LVM2_member")
	for range 2 {
		wantOK(t, c, rpc.ProcLvmRemoveAll, &rpc.None{})
		wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/sda"}, "")
	}
	wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
	image, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, len(image))
	copy(want[4096:], "metadata")
	if !bytes.Equal(image, want) {
		t.Error("more was changed than the label")
	}
}

// lvmLabelSector returns the label of a physical volume, for the second sector.
func lvmLabelSector() []byte {
	const salt = 0xf597a6cf
	b := make([]byte, 512)
	copy(b, lvmLabel)
	binary.LittleEndian.PutUint64(b[8:], 1)
	binary.LittleEndian.PutUint32(b[20:], 32)
	copy(b[24:], "LVM2 001abcdefghijklmnopqrstuvwxyz012345")
	binary.LittleEndian.PutUint64(b[64:], 16<<20)
	crc := uint32(salt)
	binary.LittleEndian.PutUint32(b[16:], ^crc32.Update(^crc, crc32.IEEETable, b[20:]))
	return b
}

// TestArchitectureOfCompressed is about kernel modules, which are compressed.
func TestArchitectureOfCompressed(t *testing.T) {
	g := mountImage(t, Drive{Path: testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))})
	elf := make([]byte, 64<<10)
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Read(elf); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(elf)
	z.Close()
	for path, content := range map[string][]byte{"/plain": elf, "/packed.ko.gz": packed.Bytes()} {
		g.do(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: path, Content: content})
	}
	want := g.str(rpc.ProcFileArchitecture, &rpc.FileArchitectureArgs{Filename: "/plain"})
	if got := g.str(rpc.ProcFileArchitecture, &rpc.FileArchitectureArgs{Filename: "/packed.ko.gz"}); got != want || got == "" {
		t.Errorf("%q, want %q", got, want)
	}
	g.do(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: "/cut.gz", Content: packed.Bytes()[:20]})
	wantError(t, g.c, rpc.ProcFileArchitecture, &rpc.FileArchitectureArgs{Filename: "/cut.gz"}, "unknown architecture.*")
}
