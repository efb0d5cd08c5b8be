package packages

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// apkInstalled are the places of apk's database; the second one is that of Alpine with
// a merged /usr.
var apkInstalled = []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}

// APK lists the packages that apk(8) has installed. The format is that of the index of
// a repository: fields of one letter.
func APK(fsys fs.FS) ([]Package, error) {
	l := new(lister)
	var first error
	for _, name := range apkInstalled {
		f, err := open(fsys, name)
		if err != nil {
			if first == nil || errors.Is(first, fs.ErrNotExist) {
				first = err
			}
			continue
		}
		defer f.Close()
		if err := l.apk(f); err != nil {
			return l.list, fmt.Errorf("apk: %w", err)
		}
		return l.list, nil
	}
	return nil, missing("apk", first)
}

func (l *lister) apk(r io.Reader) error {
	var p Package
	for line, err := range lines(r) {
		if err != nil {
			return err
		}
		if line == "" {
			if !l.add(p) {
				return ErrTooLarge
			}
			p = Package{}
			continue
		}
		if len(line) < 2 || line[1] != ':' {
			continue
		}
		switch value := line[2:]; line[0] {
		case 'P':
			p.Name = value
		case 'V':
			p.Version = value
			if i := strings.LastIndex(value, "-r"); i > 0 {
				p.Version, p.Release = value[:i], value[i+1:]
			}
		case 'A':
			p.Arch = value
		case 'T':
			p.Summary = value
		case 'U':
			p.URL = value
		case 'o':
			p.SourcePackage = value
		case 'm':
			p.Publisher = value
		}
	}
	if !l.add(p) {
		return ErrTooLarge
	}
	return nil
}
