package packages

import (
	"fmt"
	"io"
	"io/fs"
)

const pacmanLocal = "var/lib/pacman/local"

// Pacman lists the packages that pacman(8) has installed: in its local database each
// one has a directory with a file desc.
func Pacman(fsys fs.FS) ([]Package, error) {
	entries, err := readDir(fsys, pacmanLocal)
	if err != nil {
		return nil, missing("pacman", err)
	}
	l := new(lister)
	var first error
	for _, e := range entries {
		if !e.IsDir() {
			continue // ALPM_DB_VERSION
		}
		f, err := open(fsys, pacmanLocal+"/"+e.Name()+"/desc")
		if err == nil {
			var p Package
			p, err = pacmanDesc(io.LimitReader(f, 1<<20))
			f.Close()
			if err == nil && !l.add(p) {
				err = ErrTooLarge
			}
		}
		if first == nil && err != nil {
			first = fmt.Errorf("pacman: %w", err)
		}
	}
	return l.list, first
}

// pacmanDesc reads fields whose names stand in lines of their own, "%NAME%", before the
// lines of their values.
func pacmanDesc(r io.Reader) (p Package, err error) {
	field, version := "", ""
	for line, err := range lines(r) {
		if err != nil {
			return p, err
		}
		if n := len(line); n > 2 && line[0] == '%' && line[n-1] == '%' {
			field = line
			continue
		}
		if line == "" {
			field = ""
			continue
		}
		switch field {
		case "%NAME%":
			p.Name = line
		case "%VERSION%":
			version = line
		case "%BASE%":
			p.SourcePackage = line
		case "%DESC%":
			p.Summary = line
		case "%URL%":
			p.URL = line
		case "%ARCH%":
			p.Arch = line
		case "%PACKAGER%":
			p.Publisher = line
		}
		field = "" // of the fields above, each has one line
	}
	p.setVersion(version)
	return p, nil
}
