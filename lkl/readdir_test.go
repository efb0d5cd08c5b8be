package lkl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadDir(t *testing.T) {
	k := bootFake(t, nil)
	dir := t.TempDir()
	const files = 1000
	for i := range files {
		must(t, "write", os.WriteFile(fmt.Sprintf("%s/file-%d", dir, i), make([]byte, i), 0o640))
	}
	long := strings.Repeat("l", 255)
	must(t, "mkdir", os.Mkdir(dir+"/"+long, 0o700))
	must(t, "symlink", os.Symlink("some\ntarget", dir+"/link"))
	fd, err := k.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, "open", err)
	seen := make(map[string]bool)
	for d, err := range k.ReadDir(fd, unix.STATX_BASIC_STATS, READDIR_LINK|READDIR_XATTR) {
		must(t, "readdir", err)
		if seen[d.Name] {
			t.Errorf("%s twice", d.Name)
		}
		seen[d.Name] = true
		var i int
		switch {
		case d.Name == long:
			if d.Type != unix.DT_DIR || d.Stat.Mode != unix.S_IFDIR|0o700 {
				t.Errorf("directory: %+v", d)
			}
		case d.Name == "link":
			if d.Type != unix.DT_LNK || d.Link != "some\ntarget" || d.Stat.Mode&unix.S_IFMT != unix.S_IFLNK {
				t.Errorf("link: %+v", d)
			}
		default:
			if _, err := fmt.Sscanf(d.Name, "file-%d", &i); err != nil || d.Stat.Size != uint64(i) || d.Link != "" || d.Err != 0 || d.XattrSize > 0 {
				t.Errorf("file: %+v", d)
			}
		}
	}
	if len(seen) != files+2 {
		t.Errorf("%d entries", len(seen))
	}
	// It is at the end now, and can be left early.
	for range k.ReadDir(fd, 0, 0) {
		t.Error("entries after the end")
	}
	_, err = k.Seek(fd, 0, unix.SEEK_SET)
	must(t, "seek", err)
	n := 0
	for range k.ReadDir(fd, 0, 0) {
		if n++; n == 3 {
			break
		}
	}
	if _, err := k.Readdirents(fd, make([]byte, 100), 0, 0); err != unix.EINVAL {
		t.Errorf("small buffer: %v", err)
	}
	testReadDirAt(t, k, dir, files+2)
	must(t, "close", k.CloseFd(fd))
	for _, err := range k.ReadDir(fd, 0, 0) {
		if err != unix.EBADF {
			t.Errorf("closed: %v", err)
		}
	}
}

func testReadDirAt(t *testing.T, k *Kernel, dir string, want int) {
	// The number of descriptors must be the same afterwards.
	fd, err := k.Open("/", unix.O_PATH, 0)
	must(t, "open", err)
	must(t, "close", k.CloseFd(fd))
	for _, stop := range []int{0, 1, want} {
		seen := make(map[string]bool)
		for d, err := range k.ReadDirAt(unix.AT_FDCWD, dir, 0, unix.STATX_BASIC_STATS, 0) {
			must(t, "readdir", err)
			seen[d.Name] = true
			// Iterations may be nested.
			if stop == want && len(seen)%700 == 1 {
				for _, err := range k.ReadDirAt(unix.AT_FDCWD, dir, 0, 0, 0) {
					must(t, "nested", err)
				}
			}
			if len(seen) == stop {
				break
			}
		}
		if stop == 0 && len(seen) != want {
			t.Errorf("%d entries of %d", len(seen), want)
		}
	}
	for _, path := range []string{"/none", "/link"} {
		n := 0
		for _, err := range k.ReadDirAt(unix.AT_FDCWD, dir+path, unix.O_NOFOLLOW, 0, 0) {
			if err != unix.ENOENT && err != unix.ENOTDIR && err != unix.ELOOP {
				t.Errorf("%s: %v", path, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%s: %d errors", path, n)
		}
	}
	again, err := k.Open("/", unix.O_PATH, 0)
	must(t, "open", err)
	must(t, "close", k.CloseFd(again))
	if again != fd {
		t.Errorf("descriptor %d, then %d", fd, again)
	}
}

// dirent makes an entry, for hostile changes.
func dirent(name, link string) []byte {
	b := make([]byte, (direntHeader+len(name)+len(link)+2+7)&^7)
	binary.LittleEndian.PutUint16(b[0:], uint16(len(b)))
	binary.LittleEndian.PutUint16(b[2:], uint16(len(name)))
	binary.LittleEndian.PutUint16(b[4:], uint16(len(link)))
	copy(b[direntHeader:], name)
	copy(b[direntHeader+len(name)+1:], link)
	return b
}

func TestParseHostile(t *testing.T) {
	var d Dirent
	for _, name := range []string{"", ".", "..", "a/b", "/", "a\x00b"} {
		if _, err := d.Parse(dirent(name, "")); err != unix.EUCLEAN {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := d.Parse(dirent("a", "x\x00y")); err != unix.EUCLEAN {
		t.Errorf("target with a NUL: %v", err)
	}
	good := dirent("name", "target")
	for what, f := range map[string]func(b []byte) []byte{
		"short":    func(b []byte) []byte { return b[:direntHeader-1] },
		"cut":      func(b []byte) []byte { return b[:len(b)-8] },
		"reclen 0": func(b []byte) []byte { b[0] = 0; return b },
		"odd":      func(b []byte) []byte { b[0]--; return b },
		"name":     func(b []byte) []byte { b[2] = 200; return b },
		"link":     func(b []byte) []byte { b[5] = 200; return b },
		"errno":    func(b []byte) []byte { b[10] = 1; return b },
		"negative": func(b []byte) []byte { b[11] = 0xff; return b },
	} {
		if _, err := d.Parse(f(append([]byte(nil), good...))); !errors.Is(err, errDirent) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzDirent(f *testing.F) {
	f.Add(dirent("name", "target"))
	f.Add(append(dirent("a", ""), dirent(strings.Repeat("x", 255), "y")...))
	f.Add(dirent("..", ""))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Dirent
		for rest, n := b, 0; len(rest) > 0; n++ {
			var err error
			before := len(rest)
			if rest, err = d.Parse(rest); err != nil {
				return
			}
			if len(rest) > before-direntHeader || badName([]byte(d.Name)) || d.XattrSize < -1 || d.Err > 4095 {
				t.Fatalf("%d: %+v, %d of %d left", n, d, len(rest), before)
			}
		}
	})
}
