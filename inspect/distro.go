package inspect

import (
	"strings"

	"github.com/unboot/unboot/internal/lazyregexp"
)

// distros are the names of guestfs(3) by the ID of os-release(5) or lsb-release,
// in lower case. A trailing * stands for anything.
var distros = map[string]string{
	"almalinux":                  "almalinux",
	"alpine":                     "alpinelinux",
	"altlinux":                   "altlinux",
	"arch":                       "archlinux",
	"archarm":                    "archlinux",
	"buildroot":                  "buildroot",
	"centos":                     "centos",
	"cirros":                     "cirros",
	"coreos":                     "coreos",
	"flatcar":                    "coreos",
	"debian":                     "debian",
	"fedora":                     "fedora",
	"frugalware":                 "frugalware",
	"gentoo":                     "gentoo",
	"kali":                       "kalilinux",
	"kylin":                      "kylin",
	"linuxmint":                  "linuxmint",
	"mageia":                     "mageia",
	"mandrake":                   "mandriva",
	"mandriva":                   "mandriva",
	"mandrivalinux":              "mandriva",
	"meego":                      "meego",
	"neokylin":                   "neokylin",
	"ol":                         "oraclelinux",
	"openmandriva":               "openmandriva",
	"opensuse":                   "opensuse",
	"opensuse-*":                 "opensuse",
	"pardus":                     "pardus",
	"pld":                        "pldlinux",
	"rhel":                       "rhel",
	"redhatenterprise*":          "rhel",
	"rocky":                      "rocky",
	"sled":                       "sles",
	"sles":                       "sles",
	"sles_sap":                   "sles",
	"sle_hpc":                    "sles",
	"sle-micro":                  "sles",
	"scientific":                 "scientificlinux",
	"scientificsl":               "scientificlinux",
	"scientificfermi":            "scientificlinux",
	"slackware":                  "slackware",
	"ttylinux":                   "ttylinux",
	"ubuntu":                     "ubuntu",
	"void":                       "voidlinux",
	"debian_gnu/hurd":            "debian",
	"opensuse project":           "opensuse",
	"suse linux":                 "opensuse",
	"enterpriseenterpriseserver": "oraclelinux",
	"oracleserver":               "oraclelinux",
}

// relatives are the families that a distribution may name in ID_LIKE, nearest
// first, and what its own kind is then.
var relatives = map[string]string{
	"ubuntu": "ubuntu", "debian": "debian", "arch": "archlinux", "archlinux": "archlinux", "gentoo": "gentoo",
	"alpine": "alpinelinux", "coreos": "coreos", "void": "voidlinux", "mageia": "mageia", "mandriva": "mandriva",
	"slackware": "slackware",
	"rhel":      "redhat-based", "centos": "redhat-based", "fedora": "redhat-based", "redhat": "redhat-based",
	"suse": "suse-based", "opensuse": "suse-based", "sles": "suse-based",
}

var plainID = lazyregexp.New(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// distroOf returns the name that guestfs(3) has for a distribution, or that of a
// relative, or the ID itself.
func distroOf(id string, like []string) string {
	if d, ok := distros[id]; ok {
		return d
	}
	for pattern, d := range distros {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(id, prefix) {
			return d
		}
	}
	for _, l := range like {
		d, ok := relatives[l]
		if !ok && strings.HasPrefix(l, "opensuse") {
			d, ok = "suse-based", true
		}
		if ok {
			return d
		}
	}
	if plainID().MatchString(id) {
		return id
	}
	return ""
}

// setPackages sets format and management of packages: by the distribution where
// that says it, otherwise by what is in the tree.
func (s *System) setPackages(t *tree) {
	switch s.Distro {
	case "debian", "ubuntu", "kalilinux", "kylin", "linuxmint":
		s.PackageFormat, s.PackageManagement = "deb", "apt"
	case "fedora", "meego":
		s.PackageFormat, s.PackageManagement = "rpm", "yum"
		if s.Major >= 22 {
			s.PackageManagement = "dnf"
		}
	case "rhel", "centos", "scientificlinux", "oraclelinux", "rocky", "almalinux", "neokylin":
		s.PackageFormat = "rpm"
		switch {
		case s.Major >= 8:
			s.PackageManagement = "dnf"
		case s.Major >= 5, s.Major == 0:
			s.PackageManagement = "yum"
		default:
			s.PackageManagement = "up2date"
		}
	case "opensuse", "sles", "suse-based":
		s.PackageFormat, s.PackageManagement = "rpm", "zypper"
	case "openmandriva":
		s.PackageFormat, s.PackageManagement = "rpm", "dnf"
	case "mageia", "mandriva":
		s.PackageFormat, s.PackageManagement = "rpm", "urpmi"
	case "altlinux":
		s.PackageFormat, s.PackageManagement = "rpm", "apt"
	case "pldlinux":
		s.PackageFormat = "rpm"
	case "alpinelinux":
		s.PackageFormat, s.PackageManagement = "apk", "apk"
	case "archlinux", "frugalware":
		s.PackageFormat, s.PackageManagement = "pacman", "pacman"
	case "gentoo":
		s.PackageFormat, s.PackageManagement = "ebuild", "portage"
	case "pardus":
		s.PackageFormat, s.PackageManagement = "pisi", "pisi"
		// Since 2013 it has been made from Debian.
		if s.Major >= 17 && s.Major < 2000 || t.isFile("var/lib/dpkg/status") {
			s.PackageFormat, s.PackageManagement = "deb", "apt"
		}
	case "voidlinux":
		s.PackageFormat, s.PackageManagement = "xbps", "xbps"
	case "netbsd":
		s.PackageFormat, s.PackageManagement = "pkgsrc", "pkgsrc"
	case "coreos", "cirros", "buildroot", "ttylinux", "slackware", "freebsd", "openbsd", "windows", "freedos", "msdos":
	default:
		s.findPackages(t)
	}
}

// findPackages looks for a package database, and for a manager that goes with it.
func (s *System) findPackages(t *tree) {
	if s.Distro == "redhat-based" {
		s.PackageFormat = "rpm"
	}
	for _, known := range []struct {
		format   string
		database []string
		managers []string
	}{
		{"deb", []string{"var/lib/dpkg/status", "var/lib/dpkg/status.d"}, []string{"apt"}},
		{"rpm", []string{"var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"}, []string{"dnf", "dnf5", "zypper", "yum", "tdnf", "urpmi"}},
		{"apk", []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}, []string{"apk"}},
		{"pacman", []string{"var/lib/pacman/local"}, []string{"pacman"}},
		{"ebuild", []string{"var/db/pkg"}, []string{"emerge"}},
		{"xbps", []string{"var/db/xbps"}, []string{"xbps-install"}},
	} {
		if s.PackageFormat != "" && s.PackageFormat != known.format || !anyExists(t, "", known.database) {
			continue
		}
		s.PackageFormat = known.format
		for _, m := range known.managers {
			if !anyExists(t, "usr/bin/", []string{m}) && !anyExists(t, "sbin/", []string{m}) && !anyExists(t, "usr/sbin/", []string{m}) {
				continue
			}
			switch m {
			case "dnf5", "tdnf":
				m = "dnf"
			case "emerge":
				m = "portage"
			case "xbps-install":
				m = "xbps"
			}
			s.PackageManagement = m
			break
		}
		return
	}
	if s.Distro == "redhat-based" && s.PackageManagement == "" {
		s.PackageManagement = "yum"
	}
}

func anyExists(t *tree, dir string, names []string) bool {
	for _, n := range names {
		if t.stat(dir+n) != nil {
			return true
		}
	}
	return false
}
