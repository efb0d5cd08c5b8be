package packages

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

const (
	dpkgStatus  = "var/lib/dpkg/status"
	dpkgStatusD = "var/lib/dpkg/status.d"
)

var dpkgFields = map[string]bool{
	"package": true, "status": true, "version": true, "architecture": true, "maintainer": true, "homepage": true,
	"source": true, "description": true,
}

// Dpkg lists the packages that dpkg(1) has unpacked or installed, as dpkg -l shows them
// with an i as the second letter: the status is "installed". In status.d, where an image
// was composed without dpkg, a file is a package.
func Dpkg(fsys fs.FS) ([]Package, error) {
	l := new(lister)
	f, err := open(fsys, dpkgStatus)
	if err == nil {
		err = l.dpkg(f, false)
		f.Close()
	}
	entries, errD := readDir(fsys, dpkgStatusD)
	if errD != nil {
		if err != nil {
			return l.list, missing("dpkg", err)
		}
		return l.list, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".md5sums") {
			continue
		}
		f, errF := open(fsys, dpkgStatusD+"/"+e.Name())
		if errF == nil {
			errF = l.dpkg(io.LimitReader(f, 1<<20), true)
			f.Close()
		}
		if err == nil && errF != nil {
			err = errF
		}
	}
	if err != nil {
		err = fmt.Errorf("dpkg: %w", err)
	}
	return l.list, err
}

// dpkg reads paragraphs. Those that dpkg did not write have no status.
func (l *lister) dpkg(r io.Reader, composed bool) error {
	for fields, err := range paragraphs(r, dpkgFields) {
		if err != nil {
			return err
		}
		status := strings.Fields(fields["status"])
		installed := len(status) == 3 && status[2] == "installed"
		if !installed && (!composed || len(status) != 0) {
			continue
		}
		p := Package{
			Name:      fields["package"],
			Arch:      fields["architecture"],
			Publisher: fields["maintainer"],
			URL:       fields["homepage"],
		}
		p.setVersion(fields["version"])
		// "Source: gcc-12 (12.2.0-14)"
		p.SourcePackage, _, _ = strings.Cut(fields["source"], " ")
		p.Summary, p.Description = firstLine(fields["description"])
		if !l.add(p) {
			return ErrTooLarge
		}
	}
	return nil
}
