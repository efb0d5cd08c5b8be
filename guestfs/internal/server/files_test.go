package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// guest is a client with something mounted.
type guest struct {
	t *testing.T
	c *protocol.Client
}

// mountImage serves an image and mounts what is on its first disk.
func mountImage(t *testing.T, d Drive) guest {
	t.Helper()
	if k, err := lkl.Boot(t.Context(), nil); errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	} else if err == nil {
		k.Kill()
	}
	g := guest{t, connect(t, d)}
	g.do(rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	return g
}

// do makes a call that has to succeed.
func (g guest) do(proc uint32, a rpc.Args) {
	g.t.Helper()
	if err := invoke(g.c, proc, a, nil); err != nil {
		g.t.Errorf("%s %+v: %v", rpc.Lookup(proc).Name, a, err)
	}
}

// fails makes a call that has to fail with an errno, unless that is nil, and maybe a text.
func (g guest) fails(proc uint32, a rpc.Args, errno error, text string) {
	g.t.Helper()
	err := invoke(g.c, proc, a, nil)
	if errno != nil && !errors.Is(err, errno) || err == nil || !strings.Contains(err.Error(), text) {
		g.t.Errorf("%s %+v: %v, want %v, %s", rpc.Lookup(proc).Name, a, err, errno, text)
	}
}

func (g guest) str(proc uint32, a rpc.Args) (s string) {
	g.t.Helper()
	if err := invoke(g.c, proc, a, func(x *xdr.Codec) { x.String(&s) }); err != nil {
		g.t.Errorf("%s %+v: %v", rpc.Lookup(proc).Name, a, err)
	}
	return s
}

func (g guest) strs(proc uint32, a rpc.Args) (s []string) {
	g.t.Helper()
	if err := invoke(g.c, proc, a, func(x *xdr.Codec) { x.Strings(&s) }); err != nil {
		g.t.Errorf("%s %+v: %v", rpc.Lookup(proc).Name, a, err)
	}
	return s
}

// out makes a call that sends a file.
func (g guest) out(proc uint32, a rpc.Args) []byte {
	g.t.Helper()
	var b bytes.Buffer
	err := g.c.Call(context.Background(), &protocol.Request{Proc: proc, OptArgs: rpc.Given(a), Args: rpc.Encoder(a), Out: &b})
	if err != nil {
		g.t.Errorf("%s %+v: %v", rpc.Lookup(proc).Name, a, err)
	}
	return b.Bytes()
}

// in makes a call that takes a file.
func (g guest) in(proc uint32, a rpc.Args, r io.Reader) error {
	g.t.Helper()
	return g.c.Call(context.Background(), &protocol.Request{Proc: proc, OptArgs: rpc.Given(a), Args: rpc.Encoder(a), In: r})
}

func names0(b []byte) []string {
	list := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
	slices.Sort(list)
	return list
}

// run runs a program of the host with a clean locale.
func run(t *testing.T, stdin io.Reader, name string, args ...string) string {
	t.Helper()
	testimg.Need(t, name)
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.Stdin = stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s %q: %v\n%s%s", name, args, err, out, &stderr)
	}
	return string(out)
}

// TestTree compares what is said of a tree with what the host's programs say of it.
func TestTree(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "btrfs", "vfat"} {
		t.Run(fstype, func(t *testing.T) {
			img := testimg.FS(t, fstype, testimg.Options{Tree: true})
			host := testimg.Loop(t, img, fstype, "ro")
			g := mountImage(t, Drive{Path: img, ReadOnly: true})
			if got, want := names0(g.out(rpc.ProcFind0, &rpc.Find0Args{Directory: "/"})), names0([]byte(run(t, nil, "find", host, "-mindepth", "1", "-printf", "%P\\0"))); !slices.Equal(got, want) {
				t.Errorf("find0: %q\nwant %q", got, want)
			}
			var want []string
			for _, e := range must(os.ReadDir(host)) {
				want = append(want, e.Name())
			}
			slices.Sort(want)
			if got := names0(g.out(rpc.ProcLs0, &rpc.Ls0Args{Dir: "/"})); !slices.Equal(got, want) {
				t.Errorf("ls0: %q\nwant %q", got, want)
			}
			g.compareStats(host, want)
			var du int64
			if err := invoke(g.c, rpc.ProcDu, &rpc.DuArgs{Path: "/"}, func(x *xdr.Codec) { x.Int64(&du) }); err != nil {
				t.Error(err)
			}
			if want, _, _ := strings.Cut(run(t, nil, "du", "-sk", host), "\t"); want != strconv.FormatInt(du, 10) {
				t.Errorf("du: %d, want %s", du, want)
			}
			// GNU tar compares each file with what the archive has.
			archive := g.out(rpc.ProcTarOut, &rpc.TarOutArgs{Directory: "/", Xattrs: rpc.Some(true), Acls: rpc.Some(true)})
			run(t, bytes.NewReader(archive), "tar", "-C", host, "--compare", "-f", "-")
			cpio := g.out(rpc.ProcCpioOut, &rpc.CpioOutArgs{Directory: "/"})
			list := strings.Split(strings.TrimSpace(run(t, bytes.NewReader(cpio), "cpio", "-it", "--quiet", "-0")), "\x00")
			if n := strings.Count(run(t, nil, "find", host, "!", "-type", "s", "-printf", "%P\\0"), "\x00"); len(slices.DeleteFunc(list, func(s string) bool { return s == "" })) != n {
				t.Errorf("cpio: %d members, want %d", len(list), n)
			}
			sums := string(g.out(rpc.ProcChecksumsOut, &rpc.ChecksumsOutArgs{Csumtype: "sha256", Directory: "/"}))
			cmd := exec.Command("sha256sum", "--check", "--quiet", "--strict")
			cmd.Dir, cmd.Stdin = host, strings.NewReader(sums)
			if out, err := cmd.CombinedOutput(); err != nil || sums == "" {
				t.Errorf("sha256sum: %v\n%s", err, out)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// compareStats compares what is said of the names in the root.
func (g guest) compareStats(host string, names []string) {
	g.t.Helper()
	var stats []rpc.Statns
	a := &rpc.InternalLstatnslistArgs{Path: "/", Names: append([]string{"no such file"}, names...)}
	err := invoke(g.c, rpc.ProcInternalLstatnslist, a, func(x *xdr.Codec) { xdr.List(x, &stats, 8) })
	if err != nil || len(stats) != len(a.Names) || stats[0].StIno != -1 {
		g.t.Fatalf("lstatnslist: %+v, %v", stats, err)
	}
	for i, name := range names {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(host, name), &st); err != nil {
			g.t.Fatal(err)
		}
		s := stats[i+1]
		got := []int64{s.StIno, s.StMode, s.StNlink, s.StUid, s.StGid, s.StRdev, s.StSize, s.StBlocks, s.StMtimeSec, s.StMtimeNsec}
		want := []int64{int64(st.Ino), int64(st.Mode), int64(st.Nlink), int64(st.Uid), int64(st.Gid), int64(st.Rdev), st.Size, st.Blocks, st.Mtim.Sec, st.Mtim.Nsec}
		if !slices.Equal(got, want) {
			g.t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// TestTarIn unpacks an archive of GNU tar, and has GNU tar compare.
func TestTarIn(t *testing.T) {
	testimg.NeedRoot(t)
	tree := t.TempDir()
	if err := testimg.WriteTree(tree, testimg.TreeFor("ext4")); err != nil {
		t.Fatal(err)
	}
	for typ, flag := range map[string]string{"": "--no-auto-compress", "gzip": "-z", "xz": "-J", "bzip2": "-j"} {
		t.Run("compressed by "+typ, func(t *testing.T) {
			archive := run(t, nil, "tar", "-C", tree, "--xattrs", "--acls", "-S", flag, "-cf", "-", ".")
			img := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
			g := mountImage(t, Drive{Path: img})
			a := &rpc.TarInArgs{Directory: "/", Xattrs: rpc.Some(true), Acls: rpc.Some(true)}
			if typ != "" {
				a.Compress = rpc.Some(typ)
			}
			if err := g.in(rpc.ProcTarIn, a, strings.NewReader(archive)); err != nil {
				t.Fatal(err)
			}
			g.do(rpc.ProcInternalAutosync, &rpc.None{})
			testimg.Fsck(t, "ext4", img)
			host := testimg.Loop(t, img, "ext4", "ro")
			run(t, strings.NewReader(archive), "tar", "-C", host, "--compare", flag, "-f", "-")
		})
	}
}

// TestTarInHostile has archives that want to get out of the directory.
func TestTarInHostile(t *testing.T) {
	testimg.NeedRoot(t)
	img := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	g := mountImage(t, Drive{Path: img})
	g.do(rpc.ProcMkdir, &rpc.MkdirArgs{Path: "/in"})
	g.do(rpc.ProcMkdir, &rpc.MkdirArgs{Path: "/out"})
	dir := t.TempDir()
	os.Symlink("/out", filepath.Join(dir, "link"))
	first := run(t, nil, "tar", "-C", dir, "-cf", "-", "link")
	os.Remove(filepath.Join(dir, "link"))
	os.Mkdir(filepath.Join(dir, "link"), 0o755)
	os.WriteFile(filepath.Join(dir, "link", "file"), []byte("x"), 0o600)
	second := run(t, nil, "tar", "-C", dir, "-cf", "-", "link/file")
	for _, archive := range []string{first, second} {
		g.in(rpc.ProcTarIn, &rpc.TarInArgs{Directory: "/in"}, strings.NewReader(archive))
	}
	if list := names0(g.out(rpc.ProcLs0, &rpc.Ls0Args{Dir: "/out"})); list[0] != "" {
		t.Errorf("out of the directory: %q", list)
	}
	up := run(t, nil, "tar", "-C", dir, "-P", "--transform", "s,^,../out/,", "-cf", "-", "link/file")
	if err := g.in(rpc.ProcTarIn, &rpc.TarInArgs{Directory: "/in"}, strings.NewReader(up)); err == nil {
		t.Error("a member with .. was unpacked")
	}
}

// TestTransfer moves data of many sizes both ways, and at offsets.
func TestTransfer(t *testing.T) {
	img := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	g := mountImage(t, Drive{Path: img})
	for _, n := range []int{0, 1, 4095, 4096, 8192, 100_000, 1 << 20, 1<<20 + 1, 5<<20 + 12345} {
		data := testimg.Pattern(n, uint64(n))
		if err := g.in(rpc.ProcUpload, &rpc.UploadArgs{Remotefilename: "/f"}, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if got := g.out(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: "/f"}); !bytes.Equal(got, data) {
			t.Errorf("%d bytes come back as %d others", n, len(got))
		}
		for _, off := range []int{0, 1, 4095, 70_000, 1<<20 - 1} {
			for _, size := range []int{0, 1, 5000, 1 << 20, 3 << 20} {
				want := data[min(off, n):min(off+size, n)]
				got := g.out(rpc.ProcDownloadOffset, &rpc.DownloadOffsetArgs{Remotefilename: "/f", Offset: int64(off), Size: int64(size)})
				if !bytes.Equal(got, want) {
					t.Errorf("%d bytes of %d at %d: %d others", size, n, off, len(got))
				}
			}
		}
		b64 := g.out(rpc.ProcBase64Out, &rpc.Base64OutArgs{Filename: "/f"})
		if want := run(t, bytes.NewReader(data), "base64"); string(b64) != want {
			t.Errorf("base64 of %d bytes", n)
		}
		if err := g.in(rpc.ProcBase64In, &rpc.Base64InArgs{Filename: "/g"}, bytes.NewReader(b64)); err != nil {
			t.Error(err)
		}
		var same bool
		if err := invoke(g.c, rpc.ProcEqual, &rpc.EqualArgs{File1: "/f", File2: "/g"}, func(x *xdr.Codec) { x.Bool(&same) }); err != nil || !same {
			t.Errorf("%d bytes differ after base64: %v", n, err)
		}
		for _, typ := range []string{"gzip", "xz"} {
			z := g.out(rpc.ProcCompressOut, &rpc.CompressOutArgs{Ctype: typ, File: "/f"})
			if got := run(t, bytes.NewReader(z), typ, "-dc"); got != string(data) {
				t.Errorf("%s of %d bytes", typ, n)
			}
		}
	}
	// A file that cannot be written does not spoil the connection.
	if err := g.in(rpc.ProcUpload, &rpc.UploadArgs{Remotefilename: "/no/f"}, bytes.NewReader(make([]byte, 1<<20))); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	if err := g.in(rpc.ProcUpload, &rpc.UploadArgs{Remotefilename: "/full"}, io.LimitReader(zeroReader{}, 1<<30)); !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
	g.do(rpc.ProcPingDaemon, &rpc.None{})
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }
