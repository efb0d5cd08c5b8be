package unboot_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// moreWriteWays are those that write more than one file, or not all at once. The
// file's directory has nothing else of that name in it.
var moreWriteWays = map[string]func(f *unboot.FS, name string, data []byte) error{
	"PutFiles": func(f *unboot.FS, name string, data []byte) error {
		m := unboot.Metadata{Mode: 0o644, UID: -1, GID: -1}
		return errors.Join(f.PutFiles([]*unboot.NewFile{
			{Name: name, Metadata: m, Data: data}, {Name: name + ".other", Metadata: m, Data: data},
		})...)
	},
	"Write": func(f *unboot.FS, name string, data []byte) error {
		return createOnly(f, name, func(w *unboot.File) error {
			for piece := range pieces(data, 3000) {
				if _, err := w.Write(piece); err != nil {
					return err
				}
			}
			return nil
		})
	},
	"WriteAtOnly": func(f *unboot.FS, name string, data []byte) error {
		return createOnly(f, name, func(w *unboot.File) error {
			_, err := w.WriteAt(data, 0)
			return err
		})
	},
	"ReadFromOnly": func(f *unboot.FS, name string, data []byte) error {
		return createOnly(f, name, func(w *unboot.File) error {
			_, err := w.ReadFrom(bytes.NewReader(data))
			return err
		})
	},
	"append": func(f *unboot.FS, name string, data []byte) error {
		for piece := range pieces(data, 30_000) {
			w, err := f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
			if err == nil {
				_, err = w.Write(piece)
				err = errors.Join(err, w.Close())
			}
			if err != nil {
				return err
			}
		}
		return nil
	},
	"overwrite": func(f *unboot.FS, name string, data []byte) error {
		return errors.Join(f.WriteFile(name, bytes.Repeat([]byte("old"), len(data)), 0o644), f.Sync(), f.WriteFile(name, data, 0o644))
	},
	"Truncate": func(f *unboot.FS, name string, data []byte) error {
		return errors.Join(f.WriteFile(name, append(data[:len(data):len(data)], "more"...), 0o644), f.Truncate(name, int64(len(data))))
	},
	"Rename": func(f *unboot.FS, name string, data []byte) error {
		return errors.Join(f.WriteFile(name+".new", data, 0o644), f.Rename(name+".new", name))
	},
	"RenameOver": func(f *unboot.FS, name string, data []byte) error {
		return errors.Join(f.WriteFile(name, []byte("old"), 0o644), f.WriteFile(name+".new", data, 0o644), f.Rename(name+".new", name))
	},
	"Link": func(f *unboot.FS, name string, data []byte) error {
		err := errors.Join(f.WriteFile(name+".new", data, 0o644), f.Link(name+".new", name))
		if errors.Is(err, fs.ErrPermission) { // no links there
			return f.Rename(name+".new", name)
		}
		return err
	},
	"still open": func(f *unboot.FS, name string, data []byte) error {
		w, err := f.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	},
}

func pieces(data []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			n := min(size, len(data))
			if !yield(data[:n]) {
				return
			}
			data = data[n:]
		}
	}
}

// createOnly is create without a Sync.
func createOnly(f *unboot.FS, name string, write func(*unboot.File) error) error {
	w, err := f.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(w), w.Close())
}

// listWays are all ways to come across a file. They return how large it is said
// to be.
var listWays = map[string]func(f *unboot.FS, name string) (int64, error){
	"nothing": func(f *unboot.FS, name string) (int64, error) { return -1, nil },
	"Stat":    func(f *unboot.FS, name string) (int64, error) { return statSize(f.Stat(name)) },
	"Lstat":   func(f *unboot.FS, name string) (int64, error) { return statSize(f.Lstat(name)) },
	"Metadata": func(f *unboot.FS, name string) (int64, error) {
		m, err := f.Metadata(name)
		if err != nil {
			return 0, err
		}
		return m.Size, nil
	},
	"ReadDir": func(f *unboot.FS, name string) (int64, error) {
		list, err := f.ReadDir(path.Dir(name))
		return among(list, err, name)
	},
	"File.ReadDir": func(f *unboot.FS, name string) (int64, error) {
		d, err := f.Open(path.Dir(name))
		if err != nil {
			return 0, err
		}
		defer d.Close()
		list, err := d.(*unboot.File).ReadDir(-1)
		return among(list, err, name)
	},
	"Sub": func(f *unboot.FS, name string) (int64, error) {
		sub, err := fs.Sub(f, path.Dir(name))
		if err != nil {
			return 0, err
		}
		list, err := fs.ReadDir(sub, ".")
		return among(list, err, name)
	},
	"Walk": func(f *unboot.FS, name string) (int64, error) {
		return walkTo(f, name, nil)
	},
	"Walk all": func(f *unboot.FS, name string) (int64, error) {
		return walkTo(f, name, &unboot.WalkOptions{Sorted: true, Links: true, Xattrs: true})
	},
	"WalkDir": func(f *unboot.FS, name string) (size int64, err error) {
		err = fs.WalkDir(f, path.Dir(name), func(p string, d fs.DirEntry, err error) error {
			if p == name && err == nil {
				size, err = statSize(d.Info())
			}
			return err
		})
		return size, err
	},
	"Glob": func(f *unboot.FS, name string) (int64, error) {
		list, err := f.Glob(path.Dir(name) + "/*")
		if err == nil && len(list) == 0 {
			err = fs.ErrNotExist
		}
		return -1, err
	},
	"Extents": func(f *unboot.FS, name string) (int64, error) {
		r, err := f.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			return 0, err
		}
		defer r.Close()
		_, err = r.Extents()
		return -1, err
	},
}

func statSize(st fs.FileInfo, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func among(list []fs.DirEntry, err error, name string) (int64, error) {
	for _, e := range list {
		if e.Name() == path.Base(name) {
			return statSize(e.Info())
		}
	}
	return 0, errors.Join(err, fs.ErrNotExist)
}

func walkTo(f *unboot.FS, name string, o *unboot.WalkOptions) (size int64, first error) {
	size = -2
	for e, err := range f.Walk(path.Dir(name), o) {
		if err != nil {
			return 0, err
		}
		if e.Path() == name {
			size = e.Size()
		}
	}
	return size, nil
}

// moreReadWays are those that readWays does not have.
var moreReadWays = map[string]func(f *unboot.FS, name string) ([]byte, error){
	"ReadFiles": func(f *unboot.FS, name string) (data []byte, err error) {
		list, err := f.ReadDir(path.Dir(name))
		if err != nil {
			return nil, err
		}
		entries := make([]*unboot.Entry, 2) // one alone is not read in this way
		for _, e := range list {
			if e.Name() == path.Base(name) {
				entries[0], entries[1] = e.(*unboot.Entry), e.(*unboot.Entry)
			}
		}
		all, errs := f.ReadFiles(entries)
		return all[0], errors.Join(errs...)
	},
	"ReadAt": func(f *unboot.FS, name string) ([]byte, error) {
		r, err := f.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(io.NewSectionReader(r, 0, 1<<30))
	},
	"by a Sub": func(f *unboot.FS, name string) ([]byte, error) {
		sub, err := fs.Sub(f, path.Dir(name))
		if err != nil {
			return nil, err
		}
		return fs.ReadFile(sub, path.Base(name))
	},
}

// Data written in any way is there at once, in whatever way it is looked for
// and then read, and stays there.
func TestWrittenIsVisible(t *testing.T) {
	write, read := map[string]func(*unboot.FS, string, []byte) error{}, map[string]func(*unboot.FS, string) ([]byte, error){}
	for _, ways := range []map[string]func(*unboot.FS, string, []byte) error{writeWays, moreWriteWays} {
		for name, way := range ways {
			write[name] = way
		}
	}
	for _, ways := range []map[string]func(*unboot.FS, string) ([]byte, error){readWays, moreReadWays} {
		for name, way := range ways {
			read[name] = way
		}
	}
	for _, fstype := range writable {
		t.Run(fstype, func(t *testing.T) {
			image := blank(t, fstype)
			img := open(t, image, unboot.Writable())
			f := must(img.MountAuto())
			want := map[string][]byte{}
			n := 0
			for w, writeIt := range write {
				for l, listIt := range listWays {
					n++
					size := []int{1, 5, 2047, 4096, 5000, 70_000}[n%6]
					data := testimg.Pattern(size, uint64(n))
					name := fmt.Sprintf("%d/file", n)
					what := fmt.Sprintf("%d bytes, written by %s, listed by %s", size, w, l)
					if err := errors.Join(f.Mkdir(path.Dir(name), 0o755), writeIt(f, name, data)); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					want[name] = data
					if got, err := listIt(f, name); err != nil || got != int64(size) && got != -1 {
						t.Errorf("%s: size %d, %v", what, got, err)
					}
					for r, readIt := range read {
						if got, err := readIt(f, name); err != nil || !bytes.Equal(got, data) {
							t.Errorf("%s, read by %s: %d bytes, equal %v, %v", what, r, len(got), bytes.Equal(got, data), err)
						}
					}
				}
			}
			all := func(when string) {
				t.Helper()
				for name, data := range want {
					if got, err := f.ReadFile(name); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%s %s: %d of %d bytes, %v", name, when, len(got), len(data), err)
					}
				}
			}
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
			all("after Sync")
			if err := f.Unmount(); err != nil {
				t.Error(err)
			}
			f = must(img.MountAuto())
			all("after mounting again")
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			testimg.Fsck(t, fstype, image)
		})
	}
}
