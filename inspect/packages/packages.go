// Package packages lists the packages that are installed in a tree of files, from the
// databases of their managers:
//
//   - dpkg: /var/lib/dpkg/status, and status.d, which images without a dpkg have;
//   - RPM: Berkeley DB, NDB and SQLite, where any distribution has them;
//   - apk: /lib/apk/db/installed;
//   - pacman: /var/lib/pacman/local;
//   - Portage: /var/db/pkg;
//   - XBPS: /var/db/xbps/pkgdb-0.38.plist.
//
// The fields follow guestfs_inspect_list_applications2 of guestfs(3).
//
// # Hostile databases
//
// A list has at most 200,000 packages and 256 MiB of text; a field is cut off at 64
// KiB. What exceeds that, and what makes no sense, is left out, and the error says so:
// each function returns the packages that it could read, together with an error about
// those that it could not.
package packages

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Package is one installed package. What its manager does not say is empty.
type Package struct {
	Name          string
	DisplayName   string // where it differs from Name
	Epoch         int32
	Version       string // of the software, without epoch and release
	Release       string // of the package
	Arch          string // as the manager names it
	InstallPath   string // as the system spells it
	Publisher     string // vendor or maintainer
	URL           string
	SourcePackage string
	Summary       string // one line
	Description   string
}

// Bounds on a list.
const (
	maxPackages = 200_000
	maxField    = 64 << 10  // bytes
	maxTotal    = 256 << 20 // bytes of text
)

// Errors that the functions of this package wrap.
var (
	// ErrNoDatabase says that the tree has no database of the kind.
	ErrNoDatabase = errors.New("no package database")
	// ErrTooLarge says that a database holds more than is read of it.
	ErrTooLarge = errors.New("package database is too large")
	// ErrCorrupt says that a database makes no sense.
	ErrCorrupt = errors.New("package database is corrupt")
)

var readers = map[string]func(fs.FS) ([]Package, error){
	"deb": Dpkg, "rpm": RPM, "apk": APK, "pacman": Pacman, "ebuild": Portage, "xbps": XBPS,
}

// List returns the packages in the database of a package format, as
// guestfs_inspect_get_package_format names it, sorted by name, version and
// architecture. For another format, or none, it looks for all databases and joins what
// it finds.
//
// Errors wrap [ErrNoDatabase], [ErrTooLarge] or [ErrCorrupt], or are those of the
// tree. Packages that could be read are returned in any case.
func List(fsys fs.FS, format string) ([]Package, error) {
	var list []Package
	var err error
	if read := readers[format]; read != nil {
		list, err = read(fsys)
	} else {
		list, err = all(fsys)
	}
	slices.SortStableFunc(list, func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version),
			strings.Compare(a.Release, b.Release), strings.Compare(a.Arch, b.Arch))
	})
	return list, err
}

func all(fsys fs.FS) (list []Package, err error) {
	found := false
	var errs []error
	for _, format := range []string{"deb", "rpm", "apk", "pacman", "ebuild", "xbps"} {
		part, err := readers[format](fsys)
		if errors.Is(err, ErrNoDatabase) && len(part) == 0 {
			continue
		}
		found = true
		list = append(list, part...)
		errs = append(errs, err)
	}
	if !found {
		return nil, ErrNoDatabase
	}
	return list, errors.Join(errs...)
}

// lister collects packages within bounds.
type lister struct {
	list  []Package
	total int
}

// add adds a package and reports whether there is room for another one.
func (l *lister) add(p Package) bool {
	if len(l.list) == maxPackages {
		return false
	}
	// The limit is on all packages together, since each field by itself may be honest.
	for _, s := range []*string{&p.Name, &p.DisplayName, &p.Version, &p.Release, &p.Arch, &p.InstallPath, &p.Publisher,
		&p.URL, &p.SourcePackage, &p.Summary, &p.Description} {
		*s = clean(*s)
		l.total += len(*s)
	}
	if l.total > maxTotal {
		return false
	}
	if p.Name != "" {
		l.list = append(l.list, p)
	}
	return true
}

// clean removes from a string what is not text: control characters, which could change
// what a terminal shows of a list, and bytes that are not UTF-8.
func clean(s string) string {
	if len(s) > maxField {
		s = s[:maxField]
	}
	if isPlain(s) {
		return strings.TrimSpace(s)
	}
	s = strings.ToValidUTF8(s, "\ufffd")
	s = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0) {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// isPlain reports whether a string is nothing but printable ASCII, as most are.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c >= 0x7f) && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// setVersion splits "1:2.3-4", of dpkg and pacman.
func (p *Package) setVersion(s string) {
	if epoch, rest, ok := strings.Cut(s, ":"); ok {
		if n, err := strconv.ParseInt(epoch, 10, 32); err == nil && n >= 0 {
			p.Epoch, s = int32(n), rest
		}
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		s, p.Release = s[:i], s[i+1:]
	}
	p.Version = s
}

// firstLine splits a description into its first line and the rest.
func firstLine(s string) (first, rest string) {
	first, rest, _ = strings.Cut(s, "\n")
	return first, rest
}

// open opens a regular file of the tree. Opening a FIFO, which a hostile tree may have in
// its place, might never return.
func open(fsys fs.FS, name string) (fs.File, error) {
	st, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	return fsys.Open(name)
}

// readSmall reads the start of a file that has a field or two in it.
func readSmall(fsys fs.FS, name string) ([]byte, error) {
	f, err := open(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxField))
}

// readDir lists a directory of packages.
func readDir(fsys fs.FS, name string) ([]fs.DirEntry, error) {
	st, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not implemented")}
	}
	list, err := d.ReadDir(maxPackages)
	if err == io.EOF {
		err = nil
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, err
}

// missing makes an error for a database of which no file is there.
func missing(kind string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", kind, ErrNoDatabase)
	}
	return fmt.Errorf("%s: %w", kind, err)
}
