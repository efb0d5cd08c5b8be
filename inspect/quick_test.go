package inspect

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
)

// quick makes a QuickFS of a tree by means of its other methods.
type quick struct {
	fs.ReadLinkFS
	n      *int
	unsure bool // about types, and whether listings are complete
}

func (q quick) Stat(name string) (fs.FileInfo, error) {
	*q.n++
	return fs.Stat(q.ReadLinkFS, name)
}

func (q quick) Lstat(name string) (fs.FileInfo, error) {
	*q.n++
	return q.ReadLinkFS.Lstat(name)
}

func (q quick) ReadHead(name string, limit int64) ([]byte, error) {
	*q.n++
	st, err := fs.Stat(q.ReadLinkFS, name)
	if err == nil && !st.Mode().IsRegular() {
		err = fs.ErrInvalid
	}
	if err != nil {
		return nil, err
	}
	f, err := q.ReadLinkFS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

type untyped struct{ fs.DirEntry }

func (untyped) Type() fs.FileMode { return fs.ModeIrregular }

func (q quick) ReadNames(dir string) ([]fs.DirEntry, bool, error) {
	*q.n++
	list, err := fs.ReadDir(q.ReadLinkFS, dir)
	if q.unsure {
		for i := range list {
			list[i] = untyped{list[i]}
		}
	}
	return list, dir != "." || !q.unsure, err
}

// TestQuick finds the same in all trees, with and without the quick ways.
func TestQuick(t *testing.T) {
	trees := guestfsTrees()
	for name, w := range windowsTrees() {
		trees["windows: "+name] = w
	}
	for _, name := range slices.Sorted(maps.Keys(trees)) {
		want, err := Tree(trees[name].FS())
		for _, unsure := range []bool{false, true} {
			n := 0
			got, qerr := Tree(quick{trees[name].FS(), &n, unsure})
			if !reflect.DeepEqual(got, want) || errors.Is(err, ErrNoSystem) != errors.Is(qerr, ErrNoSystem) {
				t.Errorf("%s, unsure %t: %+v, %v\nwant %+v, %v", name, unsure, got, qerr, want, err)
			}
		}
	}
}

// windowsTrees are trees with names in other cases than are looked for.
func windowsTrees() map[string]testtree.Files {
	system := testtree.Files{"WINDOWS/system32/config/": "", "WINDOWS/system32/CMD.EXE": "MZ"}
	lower := testtree.Files{}
	for name, text := range system {
		lower[strings.ToLower(name)] = text
	}
	return map[string]testtree.Files{
		"upper": system, "lower": lower,
		"boot.ini": {"BOOT.INI": "[boot loader]\ndefault=multi(0)disk(0)rdisk(0)partition(1)\\OTHER\n", "other/System32/Config/": "", "other/System32/cmd.exe": "MZ"},
		"file":     {"windows": "no directory", "etc": "no directory either"},
		"links":    {"etc": "-> private/etc", "private/etc/os-release": debianOS, "bin": "-> none"},
		"loop":     {"etc": "-> etc", "bin": "-> etc/bin"},
	}
}

// The quick ways are there to spare calls.
func TestQuickCalls(t *testing.T) {
	for name, most := range map[string]int{"debian": 10, "ubuntu": 10, "fedora": 12, "centos6": 12, "alpine": 12} {
		n := 0
		if _, err := Tree(quick{linuxTrees[name].files.FS(), &n, false}); err != nil {
			t.Fatal(err)
		}
		if n > most {
			t.Errorf("%s: %d calls, at most %d expected", name, n, most)
		}
	}
	n := 0
	Tree(quick{noSystem["home"].FS(), &n, false})
	if n > 3 {
		t.Errorf("data: %d calls", n)
	}
}
