package unboot_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// An error about which the kernel has said nothing does not quote what it said of
// other things.
func TestErrorWithoutWords(t *testing.T) {
	image, _ := streamImage(t, "ext4")
	f := mount(t, image)
	must(f.ReadFile("file")) // where it lies need not be read again
	if err := os.Truncate(image, 4<<20); err != nil {
		t.Fatal(err)
	}
	r := must(f.Open("file"))
	defer r.Close()
	must(r.(*unboot.File).Seek(16<<20, io.SeekStart))
	// The kernel only says where it is.
	out := must(os.Create(filepath.Join(t.TempDir(), "out")))
	defer out.Close()
	_, err := io.Copy(out, r)
	if !errors.Is(err, unix.EIO) || err.Error() != "read file: input/output error" {
		t.Errorf("%+v", err)
	}
}

// An error quotes those of the kernel's messages that are about its file.
func TestErrorNamesFile(t *testing.T) {
	image := blank(t, "btrfs")
	img := open(t, image, unboot.Writable())
	f := must(img.MountAuto())
	const files = 3
	for i := range files {
		if err := f.WriteFile(fmt.Sprint("f", i), ownContent(i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	raw := must(os.ReadFile(image))
	for i := range files {
		at := bytes.Index(raw, ownContent(i)[:4096])
		if at < 0 {
			t.Fatal("not found")
		}
		raw[at+50_000] ^= 1
	}
	if err := os.WriteFile(image, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	f = mount(t, image)
	for i := range files {
		name := fmt.Sprint("f", i)
		ino := must(f.Stat(name)).(*unboot.Entry).Stat.Ino
		// Once for each: the driver says no more than so much in some seconds.
		r := must(f.Open(name)).(*unboot.File)
		_, err := r.ReadAt(make([]byte, 8192), 49152)
		r.Close()
		if !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), fmt.Sprintf("csum failed root 5 ino %d ", ino)) {
			t.Errorf("%s: %+v", name, err)
		}
	}
	if err := f.Mkdir("d", 0o755); errors.Is(err, unix.EIO) || strings.Contains(err.Error(), "csum") {
		t.Error(err)
	}
}

func ownContent(i int) []byte { return testimg.Pattern(100_000, uint64(100+i)) }

// A device that cannot be mounted without more says what is missing.
func TestMountErrorSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	run := func(t *testing.T, name string, args ...string) {
		t.Helper()
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	file := func(name string, size int64) string {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, size)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Run("xfs with an external log", func(t *testing.T) {
		data, log := file("data", 400<<20), file("log", 128<<20)
		run(t, "mkfs.xfs", "-q", "-l", "logdev="+log, data)
		_, err := open(t, data).Mount("/dev/sda")
		if err == nil || !strings.Contains(err.Error(), "specify logdev") {
			t.Error(err)
		}
	})
	t.Run("ext4 without its journal", func(t *testing.T) {
		image := file("ext4", 64<<20)
		run(t, "mkfs.ext4", "-q", image)
		run(t, "debugfs", "-w", "-R", "feature needs_recovery", image)
		run(t, "debugfs", "-w", "-R", "zap -f <8> 0", image) // its superblock
		img := open(t, image)
		_, err := img.Mount("/dev/sda")
		if err == nil || !strings.Contains(err.Error(), "its journal cannot be loaded; the mount option noload ") {
			t.Error(err)
		}
		f, err := img.Mount("/dev/sda", unboot.Data("noload"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Stat("lost+found"); err != nil {
			t.Error(err)
		}
	})
}

// The meaning of an errno where it is not plain.
func TestErrorsSayWhy(t *testing.T) {
	type try struct {
		do    func(f *unboot.FS) error
		errno error
		words string
	}
	openFor := func(name string, flag int) func(*unboot.FS) error {
		return func(f *unboot.FS) error {
			file, err := f.OpenFile(name, flag, 0o644)
			if err == nil {
				file.Close()
			}
			return err
		}
	}
	read := func(name string) func(*unboot.FS) error {
		return func(f *unboot.FS) error { _, err := f.ReadFile(name); return err }
	}
	rename := func(from, to string) func(*unboot.FS) error {
		return func(f *unboot.FS) error { return f.Rename(from, to) }
	}
	remove := func(name string) func(*unboot.FS) error { return func(f *unboot.FS) error { return f.Remove(name) } }
	write := func(name string) func(*unboot.FS) error {
		return func(f *unboot.FS) error { return f.WriteFile(name, []byte("x"), 0o644) }
	}
	const immutable, appendOnly = "it is immutable, see chattr(1)", "it is append-only, see chattr(1)"
	ofFAT := []try{
		{func(f *unboot.FS) error { return f.Symlink("a", "l") }, unix.EPERM, "TYPE has only plain files and directories"},
		{func(f *unboot.FS) error { return f.Mknod("p", fs.ModeNamedPipe|0o600, 0) }, unix.EPERM, "TYPE has only plain files and directories"},
		{func(f *unboot.FS) error { return f.Link("file", "l") }, unix.EPERM, "TYPE has only plain files and directories"},
		{func(f *unboot.FS) error { return f.Chown("file", 5, 5) }, unix.EPERM, "one owner for all"},
		{func(f *unboot.FS) error {
			return f.Put("p", &unboot.Metadata{Mode: fs.ModeSymlink | 0o777, UID: -1, GID: -1, Link: "a"}, nil)
		}, unix.EPERM, "TYPE has only plain files and directories"},
		{write("a:b"), unix.EINVAL, `TYPE has no names with ':'`},
		{write("d/what?"), unix.EINVAL, `TYPE has no names with '?'`},
		{rename("file", `a"b`), unix.EINVAL, `TYPE has no names with '"'`},
		{write("none/file"), unix.ENOENT, ""},
	}
	for fstype, tries := range map[string][]try{
		"vfat": ofFAT, "exfat": ofFAT,
		"ext4": {
			{openFor("fixed", os.O_RDWR), unix.EPERM, immutable},
			{func(f *unboot.FS) error { return f.Truncate("fixed", 0) }, unix.EPERM, immutable},
			{func(f *unboot.FS) error { return f.Chmod("fixed", 0o600) }, unix.EPERM, immutable},
			{remove("fixed"), unix.EPERM, immutable},
			{rename("fixed", "other"), unix.EPERM, immutable},
			{rename("file", "fixed"), unix.EPERM, immutable},
			{func(f *unboot.FS) error { return f.Link("fixed", "other") }, unix.EPERM, immutable},
			{openFor("log", os.O_RDWR), unix.EPERM, appendOnly},
			{openFor("log", os.O_WRONLY|os.O_APPEND), nil, ""},
			{remove("fixeddir/file"), unix.EPERM, "its directory is immutable"},
			{write("fixeddir/new"), unix.EPERM, "its directory is immutable"},
			{write("fixeddir/file"), nil, ""},
			{rename("d", "d/e/f"), unix.EINVAL, "a directory cannot be moved into itself"},
			{rename("d", "d/new"), unix.EINVAL, "a directory cannot be moved into itself"},
			{read("dangling"), unix.ENOENT, `it is a symbolic link to "no/such", which does not exist`},
			{func(f *unboot.FS) error { _, err := f.Stat("dangling"); return err }, unix.ENOENT, `it is a symbolic link to "no/such"`},
			{read("nothing"), unix.ENOENT, ""},
		},
	} {
		t.Run(fstype, func(t *testing.T) {
			f := mount(t, blank(t, fstype), unboot.Writable())
			err := errors.Join(f.MkdirAll("d/e", 0o755), f.Mkdir("fixeddir", 0o755))
			for _, name := range []string{"file", "fixed", "log", "fixeddir/file"} {
				err = errors.Join(err, write(name)(f))
			}
			if fstype == "ext4" {
				err = errors.Join(err, f.Symlink("no/such", "dangling"), setFlags(f, "fixed", unix.STATX_ATTR_IMMUTABLE),
					setFlags(f, "log", unix.STATX_ATTR_APPEND), setFlags(f, "fixeddir", unix.STATX_ATTR_IMMUTABLE))
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, try := range tries {
				err := try.do(f)
				words := strings.ReplaceAll(try.words, "TYPE", fstype)
				if !errors.Is(err, try.errno) {
					t.Errorf("%d: %v, want %v", i, err, try.errno)
				} else if err != nil && (!strings.Contains(err.Error(), words) || words == "" && !strings.HasSuffix(err.Error(), try.errno.Error())) {
					t.Errorf("%d: %v, want %q", i, err, words)
				}
			}
		})
	}
}

// setFlags is chattr(1); the flags have the numbers of those of statx(2).
func setFlags(f *unboot.FS, name string, flags uint32) error {
	file, err := f.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	old, err := f.View().IoctlGetUint32(file.Fd(), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	_, err = f.View().Ioctl(file.Fd(), unix.FS_IOC_SETFLAGS, binary.NativeEndian.AppendUint32(nil, old|flags))
	return err
}

// The error about too many open files says how many there may be.
func TestTooManyFiles(t *testing.T) {
	f := mount(t, blank(t, "ext4"), unboot.Writable())
	if err := f.WriteFile("file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var files []fs.File
	var err error
	for err == nil && len(files) < 1<<17 {
		var file fs.File
		if file, err = f.Open("file"); err == nil {
			files = append(files, file)
		}
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Fatalf("%d files: %v", len(files), err)
	}
	if want := fmt.Sprintf("its kernel cannot have more, and %d are open in this tree", len(files)); !strings.Contains(err.Error(), want) {
		t.Errorf("%d files: %v", len(files), err)
	}
	for _, file := range files[:100] {
		file.Close()
	}
	if _, err := f.ReadFile("file"); err != nil {
		t.Error(err)
	}
}
