package unboot_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// blank returns a private empty image of a type.
func blank(t testing.TB, fstype string) string {
	t.Helper()
	return testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{Size: 512 << 20}))
}

// writable are the types that must be good for writing.
var writable = []string{"ext4", "xfs", "btrfs", "vfat", "exfat", "f2fs", "ntfs"}

// Content of awkward sizes, written in all the ways there are, is read back in
// all the ways there are, after the image was closed; the checker is content,
// and so is the host's kernel.
func TestWriteRead(t *testing.T) {
	sizes := []int{0, 1, 511, 4096, 65535, 65536, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1<<20 - 1, 1 << 20, 1<<20 + 4097, 5<<20 + 3}
	for _, fstype := range writable {
		t.Run(fstype, func(t *testing.T) {
			image := blank(t, fstype)
			want := map[string][]byte{}
			img := open(t, image, unboot.Writable())
			f, err := img.MountAuto()
			if err != nil {
				t.Fatalf("%+v", err)
			}
			for i, size := range sizes {
				data := testimg.Pattern(size, uint64(i))
				for way, write := range writeWays {
					name := fmt.Sprintf("%s-%d", way, size)
					if err := write(f, name, data); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					want[name] = data
				}
			}
			if err := img.Close(); err != nil {
				t.Fatalf("%+v", err)
			}
			testimg.Fsck(t, fstype, image)
			f = mount(t, image)
			for name, data := range want {
				for way, read := range readWays {
					if got, err := read(f, name); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%s by %s: %d bytes, want %d, error %v", name, way, len(got), len(data), err)
					}
				}
			}
		})
	}
}

var writeWays = map[string]func(f *unboot.FS, name string, data []byte) error{
	"WriteFile": func(f *unboot.FS, name string, data []byte) error { return f.WriteFile(name, data, 0o644) },
	"Put": func(f *unboot.FS, name string, data []byte) error {
		return f.Put(name, &unboot.Metadata{Mode: 0o644, UID: -1, GID: -1}, bytes.NewReader(data))
	},
	"ReadFrom": func(f *unboot.FS, name string, data []byte) error {
		return create(f, name, func(w *unboot.File) error {
			n, err := w.ReadFrom(bytes.NewReader(data))
			if err == nil && n != int64(len(data)) {
				err = fmt.Errorf("ReadFrom: %d of %d", n, len(data))
			}
			return err
		})
	},
	"ReadFromUneven": func(f *unboot.FS, name string, data []byte) error {
		return create(f, name, func(w *unboot.File) error {
			head := min(len(data), 100)
			if _, err := w.Write(data[:head]); err != nil {
				return err
			}
			_, err := w.ReadFrom(slowReader{bytes.NewReader(data[head:])})
			return err
		})
	},
	"WriteAt": func(f *unboot.FS, name string, data []byte) error {
		return create(f, name, func(w *unboot.File) error {
			const piece = 100_000
			for off := len(data) / piece * piece; off >= 0; off -= piece {
				if _, err := w.WriteAt(data[off:min(off+piece, len(data))], int64(off)); err != nil {
					return err
				}
			}
			return nil
		})
	},
}

// A slowReader gives little at a time.
type slowReader struct{ r io.Reader }

func (s slowReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 77_777)]) }

func create(f *unboot.FS, name string, write func(*unboot.File) error) error {
	w, err := f.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(w), w.Sync(), w.Close())
}

var readWays = map[string]func(f *unboot.FS, name string) ([]byte, error){
	"ReadFile": func(f *unboot.FS, name string) ([]byte, error) { return f.ReadFile(name) },
	"WriteTo": func(f *unboot.FS, name string) ([]byte, error) {
		r, err := f.Open(name)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		var b bytes.Buffer
		_, err = r.(*unboot.File).WriteTo(&b)
		return b.Bytes(), err
	},
	"WriteToUneven": func(f *unboot.FS, name string) ([]byte, error) {
		r, err := f.Open(name)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		head := make([]byte, 100)
		n, err := io.ReadFull(r, head)
		if err != nil {
			return head[:n], noEOF(err)
		}
		b := bytes.NewBuffer(head)
		_, err = r.(*unboot.File).WriteTo(b)
		return b.Bytes(), err
	},
	"Read": func(f *unboot.FS, name string) ([]byte, error) {
		r, err := f.Open(name)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(struct{ io.Reader }{r})
	},
}

func noEOF(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

// The methods of FS do to an image what os.Root's do to a directory of the host, for an
// image.
func TestNames(t *testing.T) {
	f := mount(t, blank(t, "ext4"), unboot.Writable())
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	is := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	ok(f.MkdirAll("a/b/c", 0o750))
	ok(f.MkdirAll("a/b/c", 0o700))
	ok(f.MkdirAll(".", 0o700))
	is(f.Mkdir("a", 0o755), fs.ErrExist)
	is(f.Mkdir("x/y", 0o755), fs.ErrNotExist)
	ok(f.WriteFile("a/file", []byte("one"), 0o755|fs.ModeSetuid))
	is(f.MkdirAll("a/file", 0o755), unix.ENOTDIR)
	is(f.MkdirAll("a/file/x", 0o755), unix.ENOTDIR)
	if st, err := f.Stat("a/file"); err != nil || st.Mode() != 0o755|fs.ModeSetuid {
		t.Error(st, err)
	}
	ok(f.Chmod("a/file", 0o640|fs.ModeSetgid|fs.ModeSticky))
	if st, err := f.Stat("a/file"); err != nil || st.Mode() != 0o640|fs.ModeSetgid|fs.ModeSticky {
		t.Error(st, err)
	}
	ok(f.Link("a/file", "a/hard"))
	ok(f.Symlink("/a/file", "a/soft"))
	ok(f.Symlink("../../../../a/file", "a/up"))
	ok(f.Symlink("loop", "loop"))
	for _, name := range []string{"a/hard", "a/soft", "a/up"} {
		if data, err := f.ReadFile(name); err != nil || string(data) != "one" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	_, err := f.ReadFile("loop")
	is(err, unix.ELOOP)
	ok(f.Rename("a/hard", "a/b/moved"))
	is(f.Rename("a", "a/b/c/d"), unix.EINVAL)
	if le, found := errors.AsType[*os.LinkError](f.Rename("none", "x")); !found || le.Old != "none" || le.New != "x" {
		t.Error("not a LinkError")
	}
	ok(f.Chown("a/soft", 1000, -1))
	ok(f.Lchown("a/soft", 5, 6))
	atime, mtime := time.Unix(1e9, 123456789), time.Unix(2e9, 987654321)
	ok(f.Chtimes("a/file", atime, time.Time{}))
	ok(f.Lchtimes("a/soft", time.Time{}, mtime))
	st := must(f.Stat("a/soft")).(*unboot.Entry)
	if st.Stat.Uid != 1000 || st.Stat.Gid != 0 || !st.AccessTime().Equal(atime) || st.ModTime().Equal(mtime) {
		t.Errorf("%+v", st)
	}
	if l := must(f.Lstat("a/soft")).(*unboot.Entry); l.Stat.Uid != 5 || l.Stat.Gid != 6 || !l.ModTime().Equal(mtime) {
		t.Errorf("%+v", l)
	}
	ok(f.Truncate("a/file", 2))
	ok(f.Setxattr("a/file", "user.x", []byte("y\x00z"), 0))
	is(f.Setxattr("a/file", "user.x", nil, unix.XATTR_CREATE), fs.ErrExist)
	ok(f.Setxattr("a/soft", "trusted.t", []byte{}, 0))
	if v, err := f.Getxattr("a/b/moved", "user.x"); err != nil || string(v) != "y\x00z" {
		t.Errorf("%q, %v", v, err)
	}
	if l, err := f.Listxattr("a/soft"); err != nil || !slices.Equal(l, []string{"trusted.t"}) {
		t.Errorf("%q, %v", l, err)
	}
	ok(f.Removexattr("a/file", "user.x"))
	_, err = f.Getxattr("a/file", "user.x")
	is(err, unix.ENODATA)
	ok(f.Mknod("fifo", fs.ModeNamedPipe|0o600, 0))
	ok(f.Mknod("disk", fs.ModeDevice|0o600, unix.Mkdev(8, 0)))
	// Neither hangs, nor opens the image's own disk.
	if data, err := f.ReadFile("fifo"); len(data) > 0 {
		t.Error(data, err)
	}
	_, err = f.Open("disk")
	is(err, fs.ErrPermission)
	is(f.Remove("a"), unix.ENOTEMPTY)
	ok(f.Remove("a/soft"))
	is(f.Remove("a/soft"), fs.ErrNotExist)
	for i := range 3000 {
		ok(f.WriteFile(fmt.Sprintf("a/b/c/%d", i), nil, 0o600))
	}
	ok(f.RemoveAll("a"))
	ok(f.RemoveAll("a"))
	is(f.RemoveAll("."), fs.ErrInvalid)
	_, err = f.Stat("a")
	is(err, fs.ErrNotExist)
	for _, bad := range []string{"", "/", "/etc", "a/", "a//b", "./a", "a/../b", ".."} {
		_, err := f.Stat(bad)
		is(err, fs.ErrInvalid)
		is(f.WriteFile(bad, nil, 0), fs.ErrInvalid)
	}
	is(f.WriteFile("a\x00b", nil, 0), unix.EINVAL)
	is(f.WriteFile(strings.Repeat("n", 256), nil, 0), unix.ENAMETOOLONG)
	if st, err := f.Statfs("."); err != nil || st.Blocks == 0 || st.Type != unix.EXT4_SUPER_MAGIC {
		t.Errorf("%+v, %v", st, err)
	}
}

// A whole tree, with all that files can have, is put into an image and found
// there by the host's kernel.
func TestPutTree(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			image := blank(t, fstype)
			img := open(t, image, unboot.Writable())
			f := must(img.MountAuto())
			nodes := testimg.OddTree()
			var dirs []*testimg.Node
			for i := range nodes {
				n := &nodes[i]
				if n.LinkTo != "" {
					if err := f.Link(n.LinkTo, n.Path); err != nil {
						t.Error(err)
					}
					continue
				}
				for range 2 { // the second replaces the first
					if err := putNode(f, n); err != nil {
						t.Errorf("%q: %v", n.Path, err)
					}
				}
				if n.Mode.IsDir() {
					dirs = append(dirs, n)
				}
			}
			for _, n := range dirs {
				if err := f.SetMetadata(n.Path, metadata(n)); err != nil {
					t.Error(err)
				}
			}
			if err := img.Close(); err != nil {
				t.Fatalf("%+v", err)
			}
			testimg.Fsck(t, fstype, image)
			g := mount(t, image)
			met := map[string]*unboot.Entry{}
			for e, err := range g.Walk(".", &unboot.WalkOptions{Links: true, Xattrs: true}) {
				if err != nil {
					t.Error(err)
				}
				met[e.Path()] = e
			}
			for i := range nodes {
				if e := met[nodes[i].Path]; e == nil {
					t.Errorf("%q is missing", nodes[i].Path)
				} else if d := compare(g, e, &nodes[i], met, "any"); d != nil {
					t.Errorf("%q: %q", nodes[i].Path, d)
				}
			}
			if testimg.HostHas(fstype) {
				compareWithHost(t, g, testimg.Loop(t, image, fstype, "ro"))
			}
		})
	}
}

func metadata(n *testimg.Node) *unboot.Metadata {
	m := &unboot.Metadata{
		Mode: n.Mode, UID: n.UID, GID: n.GID, Atime: n.Mtime, Mtime: n.Mtime,
		Link: n.Target, Size: n.Size, Rdev: unix.Mkdev(n.Major, n.Minor),
	}
	if len(n.Xattrs) > 0 {
		m.Xattrs = map[string][]byte{}
		for k, v := range n.Xattrs {
			m.Xattrs[k] = []byte(v)
		}
	}
	return m
}

// putNode puts a node, and files with holes as such.
func putNode(f *unboot.FS, n *testimg.Node) error {
	if n.Size < 8<<20 {
		return f.Put(n.Path, metadata(n), bytes.NewReader(n.Bytes()))
	}
	if err := f.Put(n.Path, metadata(n), nil); err != nil {
		return err
	}
	w, err := f.OpenFile(n.Path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer w.Close()
	for _, c := range n.Chunks {
		if _, err := w.WriteAt(c.Data, c.Off); err != nil {
			return err
		}
	}
	if err := w.Truncate(n.Size); err != nil {
		return err
	}
	return f.SetMetadata(n.Path, metadata(n))
}

// compareWithHost compares an image with the host's mount of it.
func compareWithHost(t *testing.T, f *unboot.FS, dir string) {
	t.Helper()
	theirs := map[string]fs.FileInfo{}
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, p)
		theirs[rel] = must(os.Lstat(p))
		return err
	})
	n := 0
	for e, err := range f.Walk(".", nil) {
		if err != nil {
			t.Error(err)
			continue
		}
		n++
		h := theirs[e.Path()]
		if h == nil {
			t.Errorf("%q: the host does not have it", e.Path())
			continue
		}
		var st unix.Stat_t
		unix.Lstat(filepath.Join(dir, e.Path()), &st)
		if e.Mode() != h.Mode() || !e.ModTime().Equal(h.ModTime()) || e.Size() != h.Size() && !e.IsDir() ||
			e.Stat.Uid != st.Uid || e.Stat.Gid != st.Gid || uint64(e.Stat.Nlink) != uint64(st.Nlink) || e.Stat.Blocks != uint64(st.Blocks) {
			t.Errorf("%q: %+v, host %+v", e.Path(), e.Stat, st)
		}
		if e.Mode().IsRegular() && e.Size() < 8<<20 {
			a, err := f.ReadFile(e.Path())
			b, err2 := os.ReadFile(filepath.Join(dir, e.Path()))
			if err != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Errorf("%q: contents differ: %v, %v", e.Path(), err, err2)
			}
		}
	}
	if n != len(theirs) {
		t.Errorf("%d files, the host has %d", n, len(theirs))
	}
}

func TestHoles(t *testing.T) {
	const tib = 1 << 40
	f := mount(t, blank(t, "xfs"), unboot.Writable())
	w := must(f.Create("sparse"))
	defer w.Close()
	must(w.WriteAt([]byte("x"), 3*tib))
	must(w.WriteAt(testimg.Pattern(1<<16, 1), 1<<20))
	got, err := w.Extents()
	if err != nil || len(got) != 2 || got[0].Offset > 1<<20 || got[1].Offset > 3*tib || got[1].Offset+got[1].Length != 3*tib+1 {
		t.Errorf("%v, %v", got, err)
	}
	if err := w.Punch(1<<20, 1<<16); err != nil {
		t.Error(err)
	}
	if got, err = w.Extents(); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if err := w.Allocate(0, 1<<20); err != nil {
		t.Error(err)
	}
	if st := must(w.Stat()).(*unboot.Entry); st.Size() != 3*tib+1 || st.Stat.Blocks < 2048 {
		t.Errorf("%+v", st)
	}
	if pos, err := w.Seek(-1, io.SeekEnd); err != nil || pos != 3*tib {
		t.Error(pos, err)
	}
	b := make([]byte, 4)
	if n, err := w.Read(b); n != 1 || err != nil || b[0] != 'x' {
		t.Error(n, err)
	}
	if n, err := w.Read(b); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
}

func TestReadOnly(t *testing.T) {
	f := mount(t, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	for what, err := range maps.All(map[string]error{
		"WriteFile": f.WriteFile("x", nil, 0o644),
		"Mkdir":     f.Mkdir("x", 0o755),
		"Remove":    f.Remove("names/plain"),
		"RemoveAll": f.RemoveAll("names"),
		"Rename":    f.Rename("names", "x"),
		"Link":      f.Link("names/plain", "x"),
		"Symlink":   f.Symlink("y", "x"),
		"Chmod":     f.Chmod("names", 0),
		"Chown":     f.Chown("names", 1, 1),
		"Chtimes":   f.Chtimes("names", time.Now(), time.Now()),
		"Setxattr":  f.Setxattr("names", "user.x", nil, 0),
		"Put":       f.Put("x", &unboot.Metadata{Mode: 0o644}, nil),
		"Truncate":  f.Truncate("names/plain", 0),
	}) {
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
