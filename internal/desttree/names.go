package desttree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// A Names knows what a command has written into directories where several
// names are one: vfat, exfat, hfs and others take Makefile and makefile for the
// same, hfsplus an é in either form, vfat a long name and its short one. Whichever
// is written second would replace the first without a word.
//
// How names fold is the file system's own affair, so but for plain names on a FAT
// none are compared here: what is asked for is looked up, and then compared with what
// was made.
type Names struct {
	fs    *unboot.FS
	label func(rel string) string
	made  map[string][]string // what a file is, and the paths it was written as
	odd   map[string]bool     // directories in which names were made that are not plain
	// The names in one directory, as they are stored.
	dir  string
	list map[string]bool
}

// NewNames returns an empty table for an FS. label is how messages call a path of the
// tree.
func NewNames(fsys *unboot.FS, label func(rel string) string) *Names {
	return &Names{fs: fsys, label: label, made: map[string][]string{}, odd: map[string]bool{}}
}

// plain looks for the other path under which this run has made a file, if that can be
// told without looking at the image.
func (t *Names) plain(d *Dir, p, rel string) (earlier string, ok bool) {
	key, ok := foldKey(p)
	if !ok || !d.Kind.unsteady || t.odd[d.Path] {
		return "", false
	}
	return t.earlier(key, rel), true
}

// earlier returns the path that something was written as before, if that is not rel.
func (t *Names) earlier(key, rel string) (earlier string) {
	for _, made := range t.made[key] {
		switch {
		case made == rel:
			return ""
		case earlier == "" || strings.EqualFold(made, rel):
			earlier = made
		}
	}
	return earlier
}

// meets is about a path at which something is: it returns the other path under
// which this run has made it, or "", and the path under which it is stored.
func (t *Names) meets(d *Dir, p, rel string, e *unboot.Entry) (earlier, stored string, err error) {
	stored, key := p, inode(e)
	if d.Kind.unsteady {
		if stored, err = t.stored(d, p); err != nil {
			return "", "", err
		}
		key = fatKey(stored)
	}
	return t.earlier(key, rel), stored, nil
}

// fatKey is what a file on a FAT is known by.
func fatKey(stored string) string {
	if key, ok := foldKey(stored); ok {
		return key
	}
	return stored
}

// clash makes an error name the file that is in the way: a FAT may refuse to make what
// it does not find either, as two names are one in the short form alone.
func (t *Names) clash(d *Dir, p, rel string, err error) error {
	if !d.Kind.unsteady || !errors.Is(err, fs.ErrExist) {
		return err
	}
	for key := range t.made {
		if path.Dir(key) == d.Path && strings.EqualFold(key, p) {
			if earlier := t.earlier(key, rel); earlier != "" {
				return t.taken(earlier)
			}
		}
	}
	return err
}

// taken is the error for a name whose file must not be replaced.
func (t *Names) taken(earlier string) error {
	return fmt.Errorf("will not overwrite just-created %s, which the file system takes for the same name: %w", t.label(earlier), fs.ErrExist)
}

// record notes a file that was made, or is about to be if its inode number does
// not matter.
func (t *Names) record(d *Dir, p, rel string) error {
	key := p
	if d.Kind.unsteady {
		if _, ok := foldKey(p); !ok {
			t.odd[d.Path] = true
		}
		stored := strings.TrimRight(p, ".") // as both FATs do
		if d.Path == t.dir {
			t.list[path.Base(stored)] = true
		}
		key = fatKey(stored)
	} else {
		info, err := t.fs.Lstat(p)
		if err != nil {
			return err
		}
		key = inode(info.(*unboot.Entry))
	}
	for _, made := range t.made[key] {
		if made == rel {
			return nil
		}
	}
	t.made[key] = append(t.made[key], rel)
	return nil
}

// stored finds the name under which a file is stored, by going through its
// directory.
func (t *Names) stored(d *Dir, p string) (string, error) {
	base := path.Base(p)
	if d.Path == t.dir && t.list[base] {
		return p, nil
	}
	// While it is open its inode number stays.
	f, err := t.fs.OpenFile(p, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	ino, name := st.(*unboot.Entry).Stat.Ino, ""
	t.dir, t.list = d.Path, map[string]bool{}
	for e, err := range t.fs.Entries(d.Path, nil) {
		if err != nil {
			return "", err
		}
		t.list[e.Name()] = true
		if e.Stat.Ino == ino {
			name = e.Name()
		}
	}
	if t.list[base] {
		name = base
	}
	if name == "" {
		return "", &fs.PathError{Op: "open", Path: p, Err: errNoName}
	}
	return path.Join(d.Path, name), nil
}

var errNoName = errors.New("the directory does not list it")

// replaced notes that the file stored under a name is to be replaced by one with
// another spelling.
func (t *Names) replaced(stored, p string) {
	if path.Dir(stored) == t.dir && stored != p {
		delete(t.list, path.Base(stored))
	}
}

// foldKey is the same for all names that can be one on a FAT, as far as letters
// tell. plain says whether they do: other names may be one for other reasons.
func foldKey(p string) (key string, plain bool) {
	base := path.Base(p)
	for i := 0; i < len(base); i++ {
		if base[i] >= 0x80 || base[i] == '~' {
			return "", false
		}
	}
	if strings.HasSuffix(base, ".") {
		return "", false
	}
	return path.Join(path.Dir(p), strings.ToLower(base)), true
}
