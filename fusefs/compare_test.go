package fusefs_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
)

// TestAsLoop compares what the mount shows of each file with what the host's own driver shows:
// names, metadata, inode numbers, content, holes, attributes.
func TestAsLoop(t *testing.T) {
	testimg.NeedRoot(t)
	for _, fstype := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			if !testimg.HostHas(fstype) {
				t.Skip("the host has no driver")
			}
			image := testimg.FS(t, fstype, testimg.Options{Tree: true})
			ours := describeTree(t, mount(t, image, nil))
			theirs := describeTree(t, testimg.Loop(t, testimg.Writable(t, image), fstype, "ro"))
			if len(theirs) < 50 {
				t.Fatalf("only %d files", len(theirs))
			}
			compareTrees(t, ours, theirs)
		})
	}
}

func compareTrees(t *testing.T, ours, theirs map[string]string) {
	t.Helper()
	for name, want := range theirs {
		if got := ours[name]; got != want {
			t.Errorf("%q is\n\t%s, want\n\t%s", name, got, want)
		}
	}
	for name := range ours {
		if _, ok := theirs[name]; !ok {
			t.Errorf("%q is in the mount only", name)
		}
	}
}

// describeTree returns what there is to see of each file in a directory.
func describeTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		s, err := describe(path)
		files[strings.TrimPrefix(path, dir)] = s
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func describe(path string) (string, error) {
	var st unix.Statx_t
	const mask = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, mask, &st); err != nil {
		return "", err
	}
	s := fmt.Sprintf("%o %d %d:%d ino %d size %d blocks %d rdev %d:%d m %d.%09d c %d.%09d b %d.%09d", st.Mode, st.Nlink, st.Uid, st.Gid,
		st.Ino, st.Size, st.Blocks, st.Rdev_major, st.Rdev_minor, st.Mtime.Sec, st.Mtime.Nsec, st.Ctime.Sec, st.Ctime.Nsec, st.Btime.Sec, st.Btime.Nsec)
	attrs := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, attrs)
	if err != nil {
		return "", fmt.Errorf("%s: llistxattr: %w", path, err)
	}
	names := strings.FieldsFunc(string(attrs[:n]), func(r rune) bool { return r == 0 })
	slices.Sort(names)
	for _, name := range names {
		n, err := unix.Lgetxattr(path, name, attrs)
		if err != nil {
			return "", fmt.Errorf("%s: lgetxattr %s: %w", path, name, err)
		}
		s += fmt.Sprintf(" %s=%x", name, attrs[:n])
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		return s + " -> " + target, err
	case unix.S_IFREG:
		content, err := describeContent(path)
		return s + content, err
	}
	return s, nil
}

// describeContent returns a sum of the content, and where there are data.
func describeContent(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	s := fmt.Sprintf(" %x", sum.Sum(nil)[:8])
	for off := int64(0); ; {
		data, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return s, nil
		}
		if err != nil {
			return "", err
		}
		if off, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE); err != nil {
			return "", err
		}
		s += fmt.Sprintf(" %d-%d", data, off)
	}
}
