package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on what a tree can make us read and keep.
const (
	maxConfig  = 1 << 20   // bytes of a file of configuration
	maxHive    = 256 << 20 // bytes of a file of the registry
	maxText    = 4 << 10   // bytes of a string
	maxEntries = 1 << 16   // entries of a directory
	maxNotes   = 32        // problems
)

// tree reads files and keeps what went wrong. A file that is not there is no
// problem.
type tree struct {
	fs.FS
	err      error // the first one
	problems []string
	folded   map[string]map[string]string // see fold
	listed   map[string]listing           // see names
}

func (t *tree) problem(err error) {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return
	}
	if t.err == nil {
		t.err = err
	}
	if len(t.problems) < maxNotes {
		t.problems = append(t.problems, clean(err.Error()))
	}
}

func (t *tree) stat(name string) fs.FileInfo {
	if t.absent(name) {
		return nil
	}
	st, err := fs.Stat(t.FS, name)
	if err != nil {
		t.failed(name, err)
		return nil
	}
	return st
}

// failed notes an error about a name. ENOTDIR, ELOOP and the like are ways to be absent
// as well, which only the root of the tree may not be.
func (t *tree) failed(name string, err error) {
	if name == "." || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) && !notThere(t.FS, name) {
		t.problem(err)
	}
}

// notThere reports whether the name leads nowhere because a part of the path is no
// directory, or a link that is broken or goes round in circles.
func notThere(fsys fs.FS, name string) bool {
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		st, err := fs.Lstat(fsys, name[:i])
		if err != nil {
			return errors.Is(err, fs.ErrNotExist)
		}
		if i < len(name) && !st.IsDir() || st.Mode().Type() == fs.ModeSymlink {
			return true
		}
	}
	return false
}

func (t *tree) isFile(name string) bool {
	if kind, known := t.kind(name); known {
		return kind.IsRegular()
	}
	st := t.stat(name)
	return st != nil && st.Mode().IsRegular()
}

func (t *tree) isDir(name string) bool {
	if kind, known := t.kind(name); known {
		return kind.IsDir()
	}
	st := t.stat(name)
	return st != nil && st.IsDir()
}

// exists reports whether anything has the name, a broken link too.
func (t *tree) exists(name string) bool {
	if t.absent(name) {
		return false
	}
	_, err := fs.Lstat(t.FS, name)
	return err == nil
}

// open opens a regular file: nothing else, as reading a FIFO might wait forever.
// The caller closes it.
func (t *tree) open(name string) (fs.File, int64) {
	if !t.isFile(name) {
		return nil, 0
	}
	f, err := t.FS.Open(name)
	if err != nil {
		t.problem(err)
		return nil, 0
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		t.problem(err)
		f.Close()
		return nil, 0
	}
	return f, st.Size()
}

// head reads the start of a file.
func (t *tree) head(name string, max int64) []byte {
	if q, ok := t.FS.(QuickFS); ok {
		if t.absent(name) {
			return nil
		}
		data, err := q.ReadHead(name, max)
		if err != nil {
			t.failed(name, err)
		}
		return data
	}
	f, _ := t.open(name)
	if f == nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, max))
	t.problem(err)
	return data
}

// read reads a file of configuration. It returns nil for one that is not there or
// too large.
func (t *tree) read(name string) []byte {
	data := t.head(name, maxConfig+1)
	if len(data) > maxConfig {
		t.problem(&fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("larger than %d bytes", maxConfig)})
		return nil
	}
	return data
}

// line returns the first line of a file which is not blank.
func (t *tree) line(name string) string {
	for line := range bytes.Lines(t.head(name, maxConfig)) {
		if s := clean(string(line)); s != "" {
			return s
		}
	}
	return ""
}

// list returns the entries of a directory, in the order of their names.
func (t *tree) list(name string) []fs.DirEntry {
	if !t.isDir(name) {
		return nil
	}
	f, err := t.FS.Open(name)
	if err != nil {
		t.problem(err)
		return nil
	}
	defer f.Close()
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil
	}
	entries, err := d.ReadDir(maxEntries)
	if err != io.EOF {
		t.problem(err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries
}

// clean makes a string of the image fit for showing.
func clean(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case r == utf8.RuneError || unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// readerAt returns a way to read a file from anywhere: its own, or a copy in memory
// of at most max bytes.
func readerAt(f fs.File, size, max int64) (io.ReaderAt, int64, error) {
	if size > max {
		return nil, 0, fmt.Errorf("larger than %d bytes", max)
	}
	if r, ok := f.(io.ReaderAt); ok {
		return r, size, nil
	}
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(data)) > max {
		err = fmt.Errorf("larger than %d bytes", max)
	}
	return bytes.NewReader(data), int64(len(data)), err
}

// note makes a problem of an error that does not name its file.
func (t *tree) note(name string, err error) {
	if !errors.Is(err, fs.ErrNotExist) {
		t.problem(&fs.PathError{Op: "read", Path: name, Err: err})
	}
}
