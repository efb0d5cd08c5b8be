package unboot_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/unboot/unboot"
)

// A file is what os.File and unboot.File have in common.
type file interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.WriterAt
	io.ReaderFrom
	io.WriterTo
	io.Closer
	Stat() (fs.FileInfo, error)
	ReadDir(n int) ([]fs.DirEntry, error)
	Truncate(size int64) error
}

// A root is what os.Root and unboot.FS have in common.
type root interface {
	Name() string
	FS() fs.FS
	Close() error
	Mkdir(string, fs.FileMode) error
	MkdirAll(string, fs.FileMode) error
	Remove(string) error
	RemoveAll(string) error
	Rename(string, string) error
	Link(string, string) error
	Symlink(string, string) error
	Chmod(string, fs.FileMode) error
	Chtimes(string, time.Time, time.Time) error
	Chown(string, int, int) error
	Lchown(string, int, int) error
	ReadFile(string) ([]byte, error)
	WriteFile(string, []byte, fs.FileMode) error
	Readlink(string) (string, error)
	Stat(string) (fs.FileInfo, error)
	Lstat(string) (fs.FileInfo, error)
}

// A tree is a root with the methods whose types differ.
type tree interface {
	root
	open(name string, flag int) (file, error)
	sub(name string) (tree, error)
}

type hostTree struct{ *os.Root }

func (h hostTree) open(name string, flag int) (file, error) {
	f, err := h.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (h hostTree) sub(name string) (tree, error) {
	r, err := h.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return hostTree{r}, nil
}

type imageFS = unboot.FS // embedded as FS, it would hide the method of that name

type imageTree struct{ *imageFS }

func (i imageTree) open(name string, flag int) (file, error) {
	f, err := i.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (i imageTree) sub(name string) (tree, error) {
	f, err := i.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return imageTree{f}, nil
}

// asHost compares what do reports about a folder of the host, by package os, with what
// it reports about an image.
func asHost(t *testing.T, do func(t *testing.T, tr tree) string) {
	t.Helper()
	r := must(os.OpenRoot(t.TempDir()))
	t.Cleanup(func() { r.Close() })
	f := mount(t, blank(t, "ext4"), unboot.Writable())
	if err := f.RemoveAll("lost+found"); err != nil {
		t.Fatal(err)
	}
	want, got := strings.Split(do(t, hostTree{r}), "\n"), strings.Split(do(t, imageTree{f}), "\n")
	if slices.Equal(got, want) {
		return
	}
	same := 0
	for same < min(len(got), len(want)) && got[same] == want[same] {
		same++
	}
	part := func(lines []string) string {
		return strings.Join(lines[min(max(same-3, 0), len(lines)):min(same+5, len(lines))], "\n")
	}
	t.Errorf("got  %s\nhost %s", part(got), part(want))
}

// kind names an error by what errors.Is says of it.
func kind(err error) string {
	if err == nil {
		return "ok"
	}
	for _, k := range []error{
		fs.ErrInvalid, fs.ErrClosed, syscall.ENOTDIR, syscall.EISDIR, syscall.ENOTEMPTY, syscall.ELOOP, syscall.ENOSPC, syscall.EBADF,
		syscall.EINVAL, syscall.EROFS, syscall.ENAMETOOLONG, syscall.EXDEV, fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, io.EOF,
	} {
		if errors.Is(err, k) {
			return strings.ReplaceAll(k.Error(), " ", "-")
		}
	}
	return fmt.Sprintf("%q", err)
}
