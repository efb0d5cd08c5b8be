package inspect

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A QuickFS is a tree that answers in one go what takes several calls otherwise. To look
// for an operating system is mostly to look for files that are not there, and to read
// the start of small ones; where each call is a round trip to a kernel, this takes a
// fraction of the time. What it answers has to be what the other methods do.
type QuickFS interface {
	fs.FS
	// ReadHead returns the first max bytes of a regular file, or all of a
	// shorter one. The error wraps [io/fs.ErrInvalid] for anything but a regular
	// file, which may be opened, but must not be waited for.
	ReadHead(name string, max int64) ([]byte, error)
	// ReadNames returns the entries of a directory in any order; no more is asked
	// of them than Name and Type, which is [io/fs.ModeIrregular] if the directory
	// does not say. complete is false if there may be others, as of a directory
	// that is large.
	ReadNames(dir string) (list []fs.DirEntry, complete bool, err error)
}

// A listing is what is in a directory by the names in lower case.
type listing map[string]listedFile

type listedFile struct {
	name string
	kind fs.FileMode
}

// listedDirs are those that are listed before anything is looked for in them.
var listedDirs = []string{".", "etc"}

// names lists one of a few directories, or returns nil.
func (t *tree) names(dir string) listing {
	q, ok := t.FS.(QuickFS)
	if !ok || !slices.Contains(listedDirs, dir) {
		return nil
	}
	if l, known := t.listed[dir]; known {
		return l
	}
	if dir != "." && t.absent(dir) {
		return listing{} // as in a file system for boot loaders or data
	}
	var l listing
	if list, complete, err := q.ReadNames(dir); err == nil && complete {
		slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		l = make(listing, len(list))
		for _, e := range list {
			lower := strings.ToLower(e.Name())
			if _, again := l[lower]; !again {
				l[lower] = listedFile{e.Name(), e.Type()}
			}
		}
	}
	if t.listed == nil {
		t.listed = map[string]listing{}
	}
	t.listed[dir] = l
	return l
}

// absent reports whether a listing says that there is no such file. A tree may take a
// name in any case, so all of them have to be missing.
func (t *tree) absent(name string) bool {
	if first, _, deep := strings.Cut(name, "/"); deep {
		l := t.names(".")
		if _, there := l[strings.ToLower(first)]; l != nil && !there {
			return true
		}
	}
	if name == "." || likely[name] && t.listed[path.Dir(name)] == nil {
		return false
	}
	l := t.names(path.Dir(name))
	_, there := l[strings.ToLower(path.Base(name))]
	return l != nil && !there
}

// likely are files that most systems have. To try them is quicker than to list the
// directory first, which may not have to be done at all.
var likely = map[string]bool{"etc/os-release": true, "etc/fstab": true}

// kind returns what a listing says that a file is, if it says that and it is no symbolic
// link, of which it would say too little.
func (t *tree) kind(name string) (kind fs.FileMode, known bool) {
	if name == "." {
		return 0, false
	}
	f, there := t.names(path.Dir(name))[strings.ToLower(path.Base(name))]
	return f.kind, there && f.name == path.Base(name) && f.kind&(fs.ModeSymlink|fs.ModeIrregular) == 0
}
