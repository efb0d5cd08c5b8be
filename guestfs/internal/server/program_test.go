package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
)

// needPrograms skips a test where the kernel runs no programs, or tools see nothing of the host.
func needPrograms(t *testing.T, c *protocol.Client) {
	t.Helper()
	err := invoke(c, rpc.ProcDebug, &rpc.DebugArgs{Subcmd: "sh", Extraargs: []string{"true"}}, func(x *xdr.Codec) { x.String(new(string)) })
	if errors.Is(err, unix.ENOTSUP) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("debug sh true: %v", err)
	}
}

// busybox is a small guest that is mounted.
func busybox(t *testing.T) guest {
	t.Helper()
	g := mountImage(t, Drive{Path: testimg.Writable(t, testimg.Busybox(t)), Format: "raw"})
	needPrograms(t, g.c)
	return g
}

func TestCommand(t *testing.T) {
	g := busybox(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"echo", "a  b", "c"}, "a  b c\n"},
		{[]string{"/bin/echo", "-n", ""}, ""},
		{[]string{"sh", "-c", "echo to stderr >&2; echo $0", "name"}, "name\n"},
		{[]string{"cat"}, ""}, // nothing to read
		{[]string{"pwd"}, "/\n"},
		{[]string{"cat", "/etc/hostname"}, "# the name\n" + testimg.BusyboxHostname + "\n"},
	} {
		if got := g.str(rpc.ProcCommand, &rpc.CommandArgs{Arguments: c.args}); got != c.want {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
	for line, want := range map[string]string{
		"id -u; id -g": "0\n0\n", "umask": "0022\n", "echo $((6*7)) | cat": "42\n",
		"test -b /dev/sda && test -r /proc/self/status && test -d /sys/block/sda && echo yes": "yes\n",
	} {
		if got := g.str(rpc.ProcSh, &rpc.ShArgs{Command: line}); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	for line, want := range map[string][]string{
		"true": {}, "echo": {""}, "echo a; echo; echo -n b": {"a", "", "b"}, "echo 'a  b'": {"a  b"},
	} {
		if got := g.strs(rpc.ProcShLines, &rpc.ShLinesArgs{Command: line}); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	if got := g.strs(rpc.ProcCommandLines, &rpc.CommandLinesArgs{Arguments: []string{"ls", "/home", "/etc/passwd"}}); !slices.Contains(got, "/etc/passwd") {
		t.Errorf("%q", got)
	}
	// More than a message holds.
	const many = 5 << 20
	if got := g.out(rpc.ProcShOut, &rpc.ShOutArgs{Command: "dd if=/dev/zero bs=1M count=5 2>/dev/null"}); len(got) != many {
		t.Errorf("%d bytes", len(got))
	}
	if got := g.out(rpc.ProcCommandOut, &rpc.CommandOutArgs{Arguments: []string{"echo", "x"}}); string(got) != "x\n" {
		t.Errorf("%q", got)
	}
	g.fails(rpc.ProcSh, &rpc.ShArgs{Command: "dd if=/dev/zero bs=1M count=5 2>/dev/null"}, nil, "too long")
}

// TestCommandErrors has what is wrong with commands. The daemon says what they say.
func TestCommandErrors(t *testing.T) {
	g := busybox(t)
	for _, c := range []struct {
		proc uint32
		a    rpc.Args
		want string
	}{
		{rpc.ProcCommand, &rpc.CommandArgs{}, "passed an empty list"},
		{rpc.ProcCommand, &rpc.CommandArgs{Arguments: []string{""}}, ".+"},
		{rpc.ProcCommand, &rpc.CommandArgs{Arguments: []string{"nothing-of-the-kind"}}, "nothing-of-the-kind: No such file or directory"},
		{rpc.ProcCommand, &rpc.CommandArgs{Arguments: []string{"/etc/passwd"}}, "/etc/passwd: Permission denied"},
		{rpc.ProcCommand, &rpc.CommandArgs{Arguments: []string{"/etc"}}, "/etc: .+"},
		{rpc.ProcCommand, &rpc.CommandArgs{Arguments: []string{"false"}}, "false: exit status 1"},
		{rpc.ProcSh, &rpc.ShArgs{Command: "echo no good >&2; exit 3"}, "no good"},
		{rpc.ProcSh, &rpc.ShArgs{Command: "exit 3"}, "/bin/sh: exit status 3"},
		{rpc.ProcSh, &rpc.ShArgs{Command: "kill -9 $$"}, "/bin/sh: signal: killed"},
		{rpc.ProcShLines, &rpc.ShLinesArgs{Command: "exit 1"}, "/bin/sh: exit status 1"},
	} {
		wantError(t, g.c, c.proc, c.a, c.want)
	}
	g.do(rpc.ProcUmountAll, &rpc.None{})
	wantError(t, g.c, rpc.ProcSh, &rpc.ShArgs{Command: "true"}, ".*you must call 'mount' first to mount the root filesystem")
}

// TestCommandWrites has a command change files, which the other calls see, and which are on the
// disk in the end; and leaves no process behind that keeps the file system busy.
func TestCommandWrites(t *testing.T) {
	g := busybox(t)
	umask := int32(0)
	if err := invoke(g.c, rpc.ProcUmask, &rpc.UmaskArgs{Mask: 0o077}, func(x *xdr.Codec) { x.Int32(&umask) }); err != nil {
		t.Error(err)
	}
	g.str(rpc.ProcSh, &rpc.ShArgs{Command: "echo new > /etc/new; mkdir /a; sleep 1000 > /dev/null 2>&1 &"})
	if got := g.str(rpc.ProcSh, &rpc.ShArgs{Command: "stat -c %a /etc/new /a"}); got != "600\n700\n" {
		t.Errorf("%q", got)
	}
	if got := g.strs(rpc.ProcHead, &rpc.HeadArgs{Path: "/etc/new"}); !slices.Equal(got, []string{"new"}) {
		t.Errorf("%q", got)
	}
	g.do(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: "/run.sh", Content: []byte("#!/bin/sh\necho ran $1\n")})
	g.do(rpc.ProcChmod, &rpc.ChmodArgs{Mode: 0o755, Path: "/run.sh"})
	if got := g.str(rpc.ProcCommand, &rpc.CommandArgs{Arguments: []string{"/run.sh", "well"}}); got != "ran well\n" {
		t.Errorf("%q", got)
	}
	g.do(rpc.ProcUmountAll, &rpc.None{})
	g.do(rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	if got := g.strs(rpc.ProcHead, &rpc.HeadArgs{Path: "/etc/new"}); !slices.Equal(got, []string{"new"}) {
		t.Errorf("%q", got)
	}
	wantError(t, g.c, rpc.ProcSh, &rpc.ShArgs{Command: "echo x > /etc/new"}, "(?s).*Read-only file system")
}

func TestDebugShell(t *testing.T) {
	g := busybox(t)
	sh := func(words ...string) string {
		return g.str(rpc.ProcDebug, &rpc.DebugArgs{Subcmd: "sh", Extraargs: words})
	}
	if got := sh("cat", "/sysroot/etc/hostname", "|", "wc", "-l"); strings.TrimSpace(got) != "2" {
		t.Errorf("%q", got)
	}
	wantError(t, g.c, rpc.ProcDebug, &rpc.DebugArgs{Subcmd: "sh", Extraargs: []string{"exit 4"}}, "sh: exit status 4")
	wantError(t, g.c, rpc.ProcDebug, &rpc.DebugArgs{Subcmd: "sh"}, "sh: expecting a command to run")
}

// TestModprobe asks for drivers that there are, and for one that there is not.
func TestModprobe(t *testing.T) {
	needKernel(t)
	c := connect(t, Drive{Path: image(t, 1)})
	for _, name := range []string{"ext4", "xfs"} {
		wantOK(t, c, rpc.ProcModprobe, &rpc.ModprobeArgs{Modulename: name})
	}
	for _, name := range []string{"nothing", "", "..", "../fs", "/ext4"} {
		wantError(t, c, rpc.ProcModprobe, &rpc.ModprobeArgs{Modulename: name}, `modprobe: FATAL: Module \Q`+name+`\E not found in directory /lib/modules/\d.*`)
	}
	wantError(t, c, rpc.ProcGetcon, &rpc.None{}, "getcon: Invalid argument")
	wantError(t, c, rpc.ProcMount9p, &rpc.Mount9pArgs{Mounttag: "tag", Mountpoint: "/"}, "mount: /: special device tag does not exist.")
}

// TestMissingTool has no tools of the host.
func TestMissingTool(t *testing.T) {
	needKernel(t)
	c := connect(t, Drive{Path: image(t, 1)})
	if _, err := os.Stat("/usr/bin/yara"); err == nil {
		t.Skip("yara is installed")
	}
	err := c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcYaraLoad, In: bytes.NewReader(make([]byte, 1<<20))})
	if !errors.Is(err, unix.ENOTSUP) || !strings.Contains(err.Error(), "no program yara on this host (package yara of Debian)") {
		t.Error(err)
	}
	err = c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcInternalYaraScan, Out: io.Discard})
	if err == nil {
		t.Error("scanned without rules")
	}
	wantOK(t, c, rpc.ProcPingDaemon, &rpc.None{})
}

// TestSwap has the kernel swap to all that it can.
func TestSwap(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "swapon", "mkfs.ext4")
	c := connect(t, Drive{Path: image(t, 16)}, Drive{Path: image(t, 64)})
	needPrograms(t, c)
	const label, id = "the-swap", "5a9b3c1e-0b1c-4f5e-8d3c-6a7b8c9d0e1f"
	wantOK(t, c, rpc.ProcMkswap, &rpc.MkswapArgs{Device: "/dev/sda", Label: rpc.Some(label), Uuid: rpc.Some(id)})
	for _, on := range []struct {
		on, off   uint32
		arg, undo rpc.Args
	}{
		{rpc.ProcSwaponDevice, rpc.ProcSwapoffDevice, &rpc.SwaponDeviceArgs{Device: "/dev/sda"}, &rpc.SwapoffDeviceArgs{Device: "/dev/sda"}},
		{rpc.ProcSwaponLabel, rpc.ProcSwapoffLabel, &rpc.SwaponLabelArgs{Label: label}, &rpc.SwapoffLabelArgs{Label: label}},
		{rpc.ProcSwaponUuid, rpc.ProcSwapoffUuid, &rpc.SwaponUuidArgs{Uuid: id}, &rpc.SwapoffUuidArgs{Uuid: id}},
	} {
		wantOK(t, c, on.on, on.arg)
		g := guest{t, c}
		if got := g.str(rpc.ProcDebug, &rpc.DebugArgs{Subcmd: "sh", Extraargs: []string{"grep -c /sda /proc/swaps"}}); got != "1\n" {
			t.Errorf("%+v: %q", on.arg, got)
		}
		wantError(t, c, rpc.ProcMkswap, &rpc.MkswapArgs{Device: "/dev/sda"}, ".*Device or resource busy")
		wantOK(t, c, on.off, on.undo)
	}
	wantError(t, c, rpc.ProcSwaponDevice, &rpc.SwaponDeviceArgs{Device: "/dev/sdb"}, "(?s)/dev/sdb: .*")
	wantError(t, c, rpc.ProcSwaponLabel, &rpc.SwaponLabelArgs{Label: "none"}, "(?s)none: .*")
	wantOK(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext4", Device: "/dev/sdb"})
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sdb", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcFallocate64, &rpc.Fallocate64Args{Path: "/swap", Len: 8 << 20})
	wantOK(t, c, rpc.ProcMkswapFile, &rpc.MkswapFileArgs{Path: "/swap"})
	wantOK(t, c, rpc.ProcSwaponFile, &rpc.SwaponFileArgs{File: "/swap"})
	wantOK(t, c, rpc.ProcSwapoffFile, &rpc.SwapoffFileArgs{File: "/swap"})
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
}

// TestMksquashfs unpacks what is packed.
func TestMksquashfs(t *testing.T) {
	testimg.Need(t, "mksquashfs", "unsquashfs")
	g := busybox(t)
	g.do(rpc.ProcMkdirP, &rpc.MkdirPArgs{Path: "/tree/sub"})
	for _, file := range []string{"/tree/one", "/tree/sub/two", "/tree/sub/not"} {
		g.do(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: file, Content: []byte(file)})
	}
	b := g.out(rpc.ProcMksquashfs, &rpc.MksquashfsArgs{Path: "/tree", Compress: rpc.Some("gzip"), Excludes: rpc.Some([]string{"sub/not"})})
	dir := t.TempDir()
	file := filepath.Join(dir, "x.sqfs")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "unsquashfs", "-d", filepath.Join(dir, "x"), file)
	var got []string
	filepath.WalkDir(filepath.Join(dir, "x"), func(p string, d os.DirEntry, err error) error {
		if d != nil && d.Type().IsRegular() {
			text, _ := os.ReadFile(p)
			got = append(got, string(text))
		}
		return err
	})
	if want := []string{"/tree/one", "/tree/sub/two"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	g.fails(rpc.ProcMksquashfs, &rpc.MksquashfsArgs{Path: "/nope"}, nil, "/nope: ")
}

// TestSleuthkit finds a file that was removed, and what was in it.
func TestSleuthkit(t *testing.T) {
	testimg.Need(t, "fls", "icat", "blkls", "mkfs.ext4")
	needKernel(t)
	c := connect(t, Drive{Path: image(t, 16)})
	needPrograms(t, c)
	g := guest{t, c}
	g.do(rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext2", Device: "/dev/sda"})
	g.do(rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	g.do(rpc.ProcMkdir, &rpc.MkdirArgs{Path: "/dir"})
	g.do(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: "/dir/a|b", Content: []byte("the content")})
	g.do(rpc.ProcLnS, &rpc.LnSArgs{Target: "/dir/a|b", Linkname: "/link"})
	g.do(rpc.ProcUmountAll, &rpc.None{})
	entries := map[string]rpc.TskDirent{}
	x := xdr.NewDecoder(g.out(rpc.ProcInternalFilesystemWalk, &rpc.InternalFilesystemWalkArgs{Device: "/dev/sda"}))
	for len(x.Rest()) > 0 && x.Err() == nil {
		var d rpc.TskDirent
		d.Code(x)
		entries[d.TskName] = d
	}
	file, link := entries["dir/a|b"], entries["link"]
	if file.TskType != 'r' || file.TskSize != 11 || file.TskFlags != 1 || file.TskInode == 0 || file.TskMtimeSec == 0 {
		t.Errorf("%+v", file)
	}
	if link.TskType != 'l' || link.TskLink != "/dir/a|b" || entries["dir"].TskType != 'd' {
		t.Errorf("%+v", entries)
	}
	if got := g.out(rpc.ProcDownloadInode, &rpc.DownloadInodeArgs{Device: "/dev/sda", Inode: int64(file.TskInode)}); string(got) != "the content" {
		t.Errorf("%q", got)
	}
	if got := g.out(rpc.ProcDownloadBlocks, &rpc.DownloadBlocksArgs{Device: "/dev/sda", Start: 0, Stop: 3}); len(got) == 0 || len(got)%4 != 0 {
		t.Errorf("%d bytes", len(got))
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte("0|/dir/a|b -> c (deleted)|12-128-1|l/lrwxrwxrwx|0|0|11|1|2|3|4"))
	f.Add([]byte("0||0|-/----------|0|0|0|0|0|0|0"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if d, ok := parseEntry(line); ok && d.TskName == "" {
			t.Errorf("%q: no name", line)
		}
	})
}
