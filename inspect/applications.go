package inspect

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"

	"github.com/unboot/unboot/inspect/packages"
)

// Applications lists what is installed, with the zero [Inspector]. It knows nothing of
// the applications of Windows.
func Applications(fsys fs.FS, s *System) ([]packages.Package, error) {
	return new(Inspector).Applications(fsys, s)
}

// Applications lists what is installed in a system whose tree is fsys, with all that
// is mounted on it, as guestfs_inspect_list_applications2 does. For Windows, these are
// the entries of "Programs and Features". The list is sorted by name, and empty for a
// system that has no list.
//
// If a part of a list cannot be read, the rest is returned together with an error.
func (in *Inspector) Applications(fsys fs.FS, s *System) ([]packages.Package, error) {
	if s.Type == Windows {
		return in.windowsApplications(fsys, s)
	}
	switch s.PackageFormat {
	case "deb", "rpm", "apk", "pacman", "ebuild", "xbps":
		return packages.List(s.inDeployment(fsys), s.PackageFormat)
	}
	return nil, nil
}

// uninstall are the keys that have an entry for each application: those of the
// system's own width, and of 32 bits on 64.
var uninstall = [][]string{
	{"Microsoft", "Windows", "CurrentVersion", "Uninstall"},
	{"Wow6432Node", "Microsoft", "Windows", "CurrentVersion", "Uninstall"},
}

const (
	maxApplications = 1 << 16
	maxAppText      = 64 << 20 // bytes
)

func (in *Inspector) windowsApplications(fsys fs.FS, s *System) (list []packages.Package, err error) {
	if s.Windows == nil || s.Windows.SoftwareHive == "" {
		return nil, nil
	}
	t := &tree{FS: fsys}
	in.withHive(t, strings.TrimPrefix(s.Windows.SoftwareHive, "/"), func(h hive) {
		total := 0
		for _, path := range uninstall {
			k := h.key(path...)
			if k == nil {
				continue
			}
			entries, err := k.Children()
			if err != nil {
				t.note(s.Windows.SoftwareHive, err)
			}
			for _, e := range entries {
				p := h.application(e)
				total += len(p.DisplayName) + len(p.InstallPath) + len(p.URL) + len(p.Summary) + len(p.Publisher)
				if len(list) == maxApplications || total > maxAppText {
					t.problem(packages.ErrTooLarge)
					return
				}
				if p.DisplayName != "" {
					list = append(list, p)
				}
			}
		}
	})
	slices.SortStableFunc(list, func(a, b packages.Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	})
	return list, t.err
}

// application reads an entry. One without a name is not shown by Windows either:
// updates and parts of other applications.
func (h hive) application(k Key) packages.Package {
	text := func(name string) string { return h.value(k, name).Text() }
	p := packages.Package{Name: clean(k.Name()), DisplayName: text("DisplayName")}
	if p.DisplayName == "" {
		return p
	}
	p.Version = text("DisplayVersion")
	p.InstallPath = text("InstallLocation")
	p.Publisher = text("Publisher")
	p.URL = text("URLInfoAbout")
	p.Summary = text("Comments")
	return p
}
