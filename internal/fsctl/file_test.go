package fsctl_test

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
	"github.com/unboot/unboot/internal/fsctl/fsctltest"
)

var flagNames = map[byte]string{
	'A': "FS_NOATIME_FL", 'C': "FS_NOCOW_FL", 'D': "FS_DIRSYNC_FL", 'E': "FS_ENCRYPT_FL", 'F': "FS_CASEFOLD_FL",
	'I': "FS_INDEX_FL", 'N': "FS_INLINE_DATA_FL", 'P': "FS_PROJINHERIT_FL", 'S': "FS_SYNC_FL", 'T': "FS_TOPDIR_FL",
	'V': "FS_VERITY_FL", 'a': "FS_APPEND_FL", 'c': "FS_COMPR_FL", 'd': "FS_NODUMP_FL", 'e': "FS_EXTENT_FL",
	'i': "FS_IMMUTABLE_FL", 'j': "FS_JOURNAL_DATA_FL", 's': "FS_SECRM_FL", 't': "FS_NOTAIL_FL", 'u': "FS_UNRM_FL",
	'x': "FS_DAX_FL",
}

// TestFlags compares the letters of chattr(1) with the flags of linux/fs.h.
func TestFlags(t *testing.T) {
	var names []string
	for _, name := range flagNames {
		names = append(names, name)
	}
	values := fsctltest.C(t, []string{"linux/fs.h"}, names...)
	var all fsctl.Flags
	for c := byte(1); c < 0x80; c++ {
		want := fsctl.Flags(values[flagNames[c]])
		if got := fsctl.FlagOf(c); got != want {
			t.Errorf("%c: %#x, want %#x", c, got, want)
		}
		all |= want
	}
	if got := all.String(); got != "ACDEFINPSTVacdeijstux" {
		t.Errorf("all are %s", got)
	}
}

// TestNumbers compares the ioctls with those of linux/fs.h.
func TestNumbers(t *testing.T) {
	v := &fsctltest.View{}
	f := fsctl.File{View: v, FD: 7}
	want := fsctltest.C(t, []string{"linux/fs.h"}, "FS_IOC_GETFLAGS", "FS_IOC_SETFLAGS", "FS_IOC_GETVERSION", "FS_IOC_SETVERSION",
		"FS_IOC_SETFSLABEL", "FITRIM", "FSLABEL_MAX", "sizeof(struct fstrim_range)", "offsetof(struct fstrim_range, len)", "offsetof(struct fstrim_range, minlen)")
	for name, call := range map[string]func() error{
		"FS_IOC_GETFLAGS":   func() error { _, err := f.Flags(); return err },
		"FS_IOC_SETFLAGS":   func() error { return f.SetFlags(0x81234567) },
		"FS_IOC_GETVERSION": func() error { _, err := f.Version(); return err },
		"FS_IOC_SETVERSION": func() error { return f.SetVersion(0x81234567) },
		"FS_IOC_SETFSLABEL": func() error { return f.SetLabel("label") },
		"FITRIM": func() error {
			_, err := f.Trim(fsctl.TrimRange{Start: 1, Length: fsctl.ToEnd, MinLength: 3})
			return err
		},
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c := v.Last()
		if uint64(c.Req) != want[name] || c.FD != 7 {
			t.Errorf("%s: %#x on %d, want %#x", name, c.Req, c.FD, want[name])
		}
		ne := binary.NativeEndian
		switch name {
		case "FS_IOC_SETFLAGS", "FS_IOC_SETVERSION":
			if ne.Uint32(c.Arg) != 0x81234567 {
				t.Errorf("%s: %x", name, c.Arg)
			}
		case "FS_IOC_SETFSLABEL":
			if uint64(len(c.Arg)) != want["FSLABEL_MAX"] || string(c.Arg[:6]) != "label\x00" {
				t.Errorf("%s: %x", name, c.Arg)
			}
		case "FITRIM":
			length, minimum := want["offsetof(struct fstrim_range, len)"], want["offsetof(struct fstrim_range, minlen)"]
			if uint64(len(c.Arg)) != want["sizeof(struct fstrim_range)"] || c.Arg[0] != 1 || ne.Uint64(c.Arg[length:]) != ^uint64(0) || c.Arg[minimum] != 3 {
				t.Errorf("%s: %x", name, c.Arg)
			}
		}
	}
	if err := f.SetLabel(string(make([]byte, 256))); err != unix.EINVAL {
		t.Error(err)
	}
	v.Answer = func(_ *fsctltest.Call, arg []byte) error {
		binary.NativeEndian.PutUint64(arg[8:], 1<<40)
		return nil
	}
	if n, err := f.Trim(fsctl.TrimRange{}); n != 1<<40 || err != nil {
		t.Error(n, err)
	}
	for _, errno := range []unix.Errno{unix.EOPNOTSUPP, unix.ENOTTY} {
		v.Answer = func(*fsctltest.Call, []byte) error { return errno }
		if _, err := f.Trim(fsctl.TrimRange{}); !errors.Is(err, fsctl.ErrNoDiscard) || !errors.Is(err, unix.EOPNOTSUPP) {
			t.Error(err)
		}
	}
}

// TestHost makes ioctls on the host's kernel.
func TestHost(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	w.WriteString("hello")
	n := make([]byte, 4)
	if _, err := (fsctl.Host{}).Ioctl(int(r.Fd()), unix.TIOCINQ, n); err != nil || n[0] != 5 {
		t.Errorf("%v, %v", n, err)
	}
	if _, err := (fsctl.Host{}).IoctlInt(int(r.Fd()), unix.BLKFLSBUF, 0); err != unix.ENOTTY {
		t.Error(err)
	}
	if _, err := (fsctl.File{View: fsctl.Host{}, FD: int(r.Fd())}).Flags(); err != unix.ENOTTY {
		t.Error(err)
	}
}
