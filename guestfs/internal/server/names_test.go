package server

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/lkl"
)

func blank(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// fake answers procedures whose arguments are looked at.
type fake struct{ got []string }

func (f *fake) IsFile(_ *Server, ctx context.Context, a *rpc.IsFileArgs) (bool, error) {
	f.got = append(f.got, a.Path)
	return true, nil
}

func (f *fake) Tune2fsL(_ *Server, ctx context.Context, a *rpc.Tune2fsLArgs) ([]rpc.Pair, error) {
	f.got = append(f.got, a.Device)
	return nil, nil
}

func (f *fake) VfsType(_ *Server, ctx context.Context, a *rpc.VfsTypeArgs) (string, error) {
	f.got = append(f.got, a.Mountable)
	return "", nil
}

func (f *fake) Umount(_ *Server, ctx context.Context, a *rpc.UmountArgs) error {
	f.got = append(f.got, a.Pathordevice)
	return nil
}

// TestArguments has what the real daemon answers to bad arguments, before anything is
// mounted.
func TestArguments(t *testing.T) {
	s, err := New(Config{Drives: []Drive{{Path: blank(t), Label: "boot"}, {Path: blank(t)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	k, err := lkl.Boot(t.Context(), nil)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	} else if err == nil {
		k.Kill()
	}
	const noRoot = "you must call 'mount' first to mount the root filesystem"
	for _, test := range []struct {
		proc  uint32
		arg   string
		want  string // what the method gets
		text  string // or the error
		errno error
	}{
		{proc: rpc.ProcIsFile, arg: "foo", text: "is_file_stub: path must start with a / character"},
		{proc: rpc.ProcIsFile, arg: "/foo", text: "is_file_stub: " + noRoot},
		{proc: rpc.ProcTune2fsL, arg: "/dev/nope", text: "tune2fs_l_stub: /dev/nope: No such file or directory", errno: unix.ENOENT},
		{proc: rpc.ProcTune2fsL, arg: "foo", text: "tune2fs_l_stub: foo: No such file or directory", errno: unix.ENOENT},
		{proc: rpc.ProcTune2fsL, arg: "/dev/sda1", text: "tune2fs_l_stub: /dev/sda1: No such file or directory", errno: unix.ENOENT},
		{proc: rpc.ProcTune2fsL, arg: "/dev/sdb", want: "/dev/sdb"},
		{proc: rpc.ProcTune2fsL, arg: "/dev/vdb", want: "/dev/sdb"},
		{proc: rpc.ProcTune2fsL, arg: "/dev/hda", want: "/dev/sda"},
		{proc: rpc.ProcTune2fsL, arg: "/dev/disk/guestfs/boot", want: "/dev/sda"},
		{proc: rpc.ProcVfsType, arg: "/dev/vda", want: "/dev/sda"},
		{proc: rpc.ProcVfsType, arg: "btrfsvol:/dev/vda/a/b", want: "btrfsvol:/dev/sda/a/b"},
		{proc: rpc.ProcVfsType, arg: "btrfsvol:foo", text: "vfs_type_stub: btrfsvol:foo: expecting a btrfs volume"},
		{proc: rpc.ProcVfsType, arg: "btrfsvol:/dev/nope/x", text: "vfs_type_stub: btrfsvol:/dev/nope/x: expecting a btrfs volume"},
		{proc: rpc.ProcUmount, arg: "/dev/hda", want: "/dev/sda"},
		{proc: rpc.ProcUmount, arg: "foo", text: "umount_stub: " + noRoot},
		{proc: rpc.ProcUmount, arg: "/dev/nope", text: "umount_stub: " + noRoot},
	} {
		f := &fake{}
		c := &call{Call: &protocol.Call{}, s: s, name: rpc.Lookup(test.proc).Name}
		// All these have one string and up to two booleans.
		c.Args = append([]byte{0, 0, 0, byte(len(test.arg))}, test.arg...)
		c.Args = append(c.Args, make([]byte, -len(test.arg)&3)...)
		switch test.proc {
		case rpc.ProcIsFile:
			c.Args = append(c.Args, 0, 0, 0, 0)
		case rpc.ProcUmount:
			c.Args = append(c.Args, make([]byte, 8)...)
		}
		err := map[uint32]procedure{
			rpc.ProcIsFile:   get[rpc.IsFileArgs](f.IsFile, (*xdr.Codec).Bool),
			rpc.ProcTune2fsL: get[rpc.Tune2fsLArgs](f.Tune2fsL, rpc.CodePairs),
			rpc.ProcVfsType:  get[rpc.VfsTypeArgs](f.VfsType, (*xdr.Codec).String),
			rpc.ProcUmount:   do[rpc.UmountArgs](f.Umount),
		}[test.proc](t.Context(), c)
		switch {
		case test.text == "":
			if err != nil || len(f.got) != 1 || f.got[0] != test.want {
				t.Errorf("%s %s: %v, %q", c.name, test.arg, err, f.got)
			}
		case err == nil || err.Error() != test.text || len(f.got) > 0:
			t.Errorf("%s %s: %v, want %s", c.name, test.arg, err, test.text)
		case test.errno != nil && !errors.Is(err, test.errno):
			t.Errorf("%s %s: errno of %v", c.name, test.arg, err)
		}
	}
}

func TestCheckDrive(t *testing.T) {
	dir := t.TempDir()
	good := blank(t)
	qcow2 := filepath.Join(dir, "q")
	os.WriteFile(qcow2, append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 4096)...), 0o600)
	vmdk := filepath.Join(dir, "v")
	os.WriteFile(vmdk, append([]byte("KDMV\x01\x00\x00\x00"), make([]byte, 4096)...), 0o600)
	for _, d := range []Drive{{Path: good}, {Path: good, Format: "raw"}, {Path: qcow2, ReadOnly: true}, {Path: qcow2, Format: "qcow2", ReadOnly: true}, {Path: vmdk, Format: "raw"}, {Path: good, LogicalBlock: 4096}} {
		if err := checkDrive(d); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	}
	for _, d := range []Drive{{Path: dir}, {Path: "/dev/null"}, {Path: qcow2}, {Path: qcow2, Format: "qcow2"}, {Path: vmdk}, {Path: good, Format: "vdi"}, {Path: good, LogicalBlock: 600}, {Protocol: "nbd"}} {
		if err := checkDrive(d); err == nil {
			t.Errorf("%+v: no error", d)
		}
	}
	if err := checkDrive(Drive{Path: filepath.Join(dir, "none"), Format: "qcow2"}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestErrorTexts(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
		name string
	}{
		{unix.EIO, "Input/output error", "EIO"},
		{&fs.PathError{Op: "open", Path: "etc/shadow", Err: unix.EACCES}, "open: /etc/shadow: Permission denied", "EACCES"},
		{&fs.PathError{Op: "readdir", Path: ".", Err: errors.New("odd")}, "readdir: /: odd", ""},
		{perror(unix.ENOSPC, "/x"), "/x: No space left on device", "ENOSPC"},
		{errorf("no %d", 1), "no 1", ""},
	} {
		err := toWire(test.err)
		var wire *protocol.Error
		if !errors.As(err, &wire) || wire.Message != test.want || wire.Name != test.name {
			t.Errorf("%v: %v, want %s", test.err, err, test.want)
		}
	}
	if toWire(nil) != nil {
		t.Error("no error is one")
	}
}
