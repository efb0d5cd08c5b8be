package packages

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/unboot/unboot/internal/lazyregexp"
)

const portagePkg = "var/db/pkg"

// portageName takes the directory of a package apart, as the Package Manager
// Specification has it: a name, a version, a revision.
var portageName = lazyregexp.New(`^([A-Za-z0-9+_][A-Za-z0-9+_-]*?)-(\d+(?:\.\d+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)\d*)*)(?:-(r\d+))?$`)

// Portage lists the packages that emerge(1) has installed. Their names are with the
// category: "sys-apps/portage".
func Portage(fsys fs.FS) ([]Package, error) {
	categories, err := readDir(fsys, portagePkg)
	if err != nil {
		return nil, missing("portage", err)
	}
	l := new(lister)
	var first error
	for _, c := range categories {
		if !c.IsDir() {
			continue
		}
		dir := portagePkg + "/" + c.Name()
		entries, err := readDir(fsys, dir)
		if err != nil && first == nil {
			first = fmt.Errorf("portage: %w", err)
		}
		for _, e := range entries {
			m := portageName().FindStringSubmatch(e.Name())
			if m == nil || !e.IsDir() {
				continue // "-MERGING-name"
			}
			p := Package{Name: c.Name() + "/" + m[1], Version: m[2], Release: m[3]}
			p.fromPortage(fsys, dir+"/"+e.Name())
			if !l.add(p) {
				return l.list, fmt.Errorf("portage: %w", ErrTooLarge)
			}
		}
	}
	return l.list, first
}

// fromPortage reads the fields, each of which is a file. None of them must be there.
func (p *Package) fromPortage(fsys fs.FS, dir string) {
	field := func(name string) string {
		b, _ := readSmall(fsys, dir+"/"+name)
		return strings.TrimSpace(string(b))
	}
	p.Summary = field("DESCRIPTION")
	p.URL, _, _ = strings.Cut(field("HOMEPAGE"), " ")
	p.Arch, _, _ = strings.Cut(field("CHOST"), "-")
	p.Publisher = field("repository")
}
