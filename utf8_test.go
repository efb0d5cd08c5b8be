package unboot_test

import (
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/unboot/unboot"
)

// utf8Only hides what fstest.TestFS cannot do with: names that fs.ValidPath does
// not allow, files that are too large to be read byte by byte, and those that
// are not regular.
type utf8Only struct{ *unboot.FS }

func hidden(d fs.DirEntry) bool {
	info, err := d.Info()
	return !utf8.ValidString(d.Name()) || strings.ContainsAny(d.Name(), `\*?[`) ||
		err == nil && info.Size() > 64<<10 || d.Type()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket|fs.ModeSymlink) != 0
}

func (u utf8Only) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := u.FS.ReadDir(name)
	return slices.DeleteFunc(list, hidden), err
}

func (u utf8Only) Glob(pattern string) ([]string, error) {
	return fs.Glob(struct{ fs.ReadDirFS }{u}, pattern)
}

func (u utf8Only) Sub(dir string) (fs.FS, error) {
	sub, err := u.FS.Sub(dir)
	if err != nil {
		return nil, err
	}
	return utf8Only{sub.(*unboot.FS)}, nil
}

func (u utf8Only) Open(name string) (fs.File, error) {
	f, err := u.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return utf8File{f.(*unboot.File)}, nil
}

type utf8File struct{ *unboot.File }

func (f utf8File) ReadDir(n int) ([]fs.DirEntry, error) {
	for {
		list, err := f.File.ReadDir(n)
		full := len(list)
		list = slices.DeleteFunc(list, hidden)
		if len(list) > 0 || full == 0 || err != nil {
			return list, err
		}
	}
}
