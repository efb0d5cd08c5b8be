package desttree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// A Names knows what a command has written into directories where several names are one:
// vfat, exfat, hfs and others take Makefile and makefile for the same, hfsplus an é in
// either form, vfat a long name and its short one. Whichever is written second would
// replace the first without a word.
//
// How names fold is the file system's own affair: what is asked for is looked up, and
// then compared with what was made. On a FAT, where a lookup reads the directory, most
// names are distinguished without one.
type Names struct {
	fs    *unboot.FS
	label func(rel string) string
	made  map[string][]string // what a file is, and the paths it was written as

	// Of FATs: the paths under which files are stored, by fold key, and directories
	// with names of which there is no key.
	keys map[string][]string
	odd  map[string]bool
	// The names in one directory, as they are stored.
	dir  string
	list map[string]bool
}

// NewNames returns an empty table for an FS. label is how messages call a path of the
// tree.
func NewNames(fsys *unboot.FS, label func(rel string) string) *Names {
	return &Names{fs: fsys, label: label, made: map[string][]string{}, keys: map[string][]string{}, odd: map[string]bool{}}
}

// plain looks for the other path under which this run has made a file, if that can be
// known without looking at the image.
func (t *Names) plain(d *Dir, p, rel string) (earlier string, ok bool) {
	if !d.Kind.unsteady || t.odd[d.Path] {
		return "", false
	}
	key, ascii, ok := foldKey(p)
	if !ok {
		return "", false
	}
	for _, stored := range t.keys[key] {
		if !ascii {
			return "", false // perhaps the same
		}
		if earlier = t.earlier(stored, rel); earlier != "" {
			break
		}
	}
	return earlier, true
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
		key = stored
	}
	return t.earlier(key, rel), stored, nil
}

// clash makes an error name the file that is in the way: a FAT may refuse to make what
// it does not find either, as two names are one in the short form alone.
func (t *Names) clash(d *Dir, p, rel string, err error) error {
	if !d.Kind.unsteady || !errors.Is(err, fs.ErrExist) {
		return err
	}
	key, _, _ := foldKey(p)
	for _, stored := range t.keys[key] {
		if earlier := t.earlier(stored, rel); earlier != "" {
			return t.taken(earlier)
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
		key = fatName(p)
		if d.Path == t.dir {
			t.list[path.Base(key)] = true
		}
		if fold, _, ok := foldKey(key); !ok {
			t.odd[d.Path] = true
		} else if !slices.Contains(t.keys[fold], key) {
			t.keys[fold] = append(t.keys[fold], key)
		}
	} else {
		info, err := t.fs.Lstat(p)
		if err != nil {
			return err
		}
		key = inode(info.(*unboot.Entry))
	}
	if !slices.Contains(t.made[key], rel) {
		t.made[key] = append(t.made[key], rel)
	}
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
	key, _, _ := foldKey(fatName(p))
	for _, likely := range t.keys[key] {
		if info, err := t.fs.Lstat(likely); err == nil && info.(*unboot.Entry).Stat.Ino == ino {
			return likely, nil
		}
	}
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

// fatName is the name under which a FAT stores a file: without dots at the end.
func fatName(p string) string { return strings.TrimRight(p, ".") }

// foldKey is the same for all names in a directory that a FAT may take for one. Of some
// there is none: those that look like short names, and letters that have more forms than
// two. If all of a name is ASCII, those of one key are one.
func foldKey(p string) (key string, ascii, ok bool) {
	dir, base := path.Split(p)
	if strings.HasSuffix(base, ".") || strings.Contains(base, "~") || !utf8.ValidString(base) {
		return "", false, false
	}
	ascii = true
	for _, r := range base {
		if r >= utf8.RuneSelf {
			ascii = false
			other := unicode.SimpleFold(r)
			if other < utf8.RuneSelf && other != r || unicode.SimpleFold(other) != r {
				return "", false, false
			}
			if other == r && (unicode.ToUpper(r) != r || unicode.ToLower(r) != r) {
				return "", false, false
			}
		}
	}
	return dir + strings.ToLower(base), ascii, true
}
