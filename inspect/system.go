package inspect

import "errors"

// ErrNoSystem says that there is no operating system in a tree that inspection
// knows, nor the media to install one.
var ErrNoSystem = errors.New("no operating system found")

// Type is a family of operating systems, as guestfs_inspect_get_type names it.
type Type string

// The types.
const (
	Linux   Type = "linux"
	Windows Type = "windows"
	FreeBSD Type = "freebsd"
	NetBSD  Type = "netbsd"
	OpenBSD Type = "openbsd"
	Hurd    Type = "hurd"
	DOS     Type = "dos" // MS-DOS, FreeDOS and others
	Minix   Type = "minix"
	MacOS   Type = "macos" // which guestfs(3) does not have
)

// Format says in what state an operating system is in a tree, as
// guestfs_inspect_get_format names it.
type Format string

// The formats.
const (
	Installed Format = "installed"
	Installer Format = "installer" // media to install it, or to run it from
)

// System is what a tree says about the operating system in it. A string that is
// empty, and a version of 0, could not be determined; guestfs(3) has "unknown" and 0
// for that.
//
// All strings come from the image. Control characters and bytes that are not UTF-8
// are taken out of them, and they are at most 4 KiB long.
type System struct {
	Type Type
	// Distro is the name that guestfs_inspect_get_distro documents. A
	// distribution without one has that of the next relative with one, by
	// ID_LIKE of os-release(5); a distribution that names no such relative
	// has its own ID.
	Distro string
	// ID and Like are ID and ID_LIKE of os-release(5).
	ID   string
	Like []string

	Product string // for people: "Fedora Linux 39 (Server Edition)"
	// Release is the line of a file older than os-release(5), or of a BSD's, that
	// the version was taken from, "" if there was none: "12.5", "CentOS Linux release
	// 7.9.2009 (Core)". This is what guestfs_inspect_get_product_name returns
	// where it is not empty.
	Release  string
	Variant  string // of Windows: Client, Server; of Linux: VARIANT_ID
	Version  string // as the source spells it: "22.04", "rolling" or "6.1"
	Major    int
	Minor    int
	Codename string // "bookworm"
	BuildID  string // of Windows: "19045"; of Linux: BUILD_ID

	Hostname string
	Arch     string // as guestfs_file_architecture names it

	PackageFormat     string // deb, rpm, apk, pacman, ebuild, xbps, pisi, pkgsrc
	PackageManagement string // apt, dnf, yum, up2date, zypper, urpmi, apk, pacman, portage, xbps, pisi

	Format    Format
	Live      bool // media that the system runs from
	NetInst   bool // media that loads what it installs from a network
	MultiPart bool // one disk of a set of media

	// Kernels are the versions of Linux with modules in the tree, sorted.
	// A tree of Linux without any is a container's, most likely, or boots
	// with a kernel from elsewhere.
	Kernels []string

	Windows *WindowsSystem // nil for others

	// Deployment is the directory that has the system's files, if it is not the
	// root of the tree: OSTree can keep several. It starts with a slash.
	Deployment string

	// Problems are things that were expected and could not be read, in words
	// for people.
	Problems []string

	// rest reads what recognizing the system did not need, or is nil. It gets the
	// tree as it is then: the one that the system was found in may be unmounted.
	rest func(t *tree)
}

// later has complete call what reads more, after what it was given before.
func (s *System) later(more func(t *tree)) {
	before := s.rest
	if before == nil {
		s.rest = more
		return
	}
	s.rest = func(t *tree) {
		before(t)
		more(t)
	}
}

// complete reads the rest.
func (s *System) complete(t *tree) {
	rest := s.rest
	if s.rest = nil; rest == nil {
		return
	}
	old := len(t.problems)
	rest(t)
	s.Product = clean(s.Product)
	s.Problems = append(s.Problems, t.problems[old:]...)
}

// WindowsSystem is what is particular to Windows. Paths start at the root of the
// tree, with a slash, in the case that the tree has.
type WindowsSystem struct {
	SystemRoot   string // "/Windows"
	SoftwareHive string // HKLM\SOFTWARE; "" if it is missing
	SystemHive   string // HKLM\SYSTEM; "" if it is missing
	ControlSet   string // the current one: "ControlSet001"
	GroupPolicy  bool   // a domain has policies for it
	Drives       []Drive
}

// Container reports whether the tree is a Linux without a kernel.
func (s *System) Container() bool {
	return s.Type == Linux && s.Format == Installed && len(s.Kernels) == 0
}
