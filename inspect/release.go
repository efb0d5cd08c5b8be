package inspect

import (
	"regexp"
	"strings"

	"github.com/unboot/unboot/internal/lazyregexp"
)

// A releaseFile is a file from before os-release(5), or that says more than it.
type releaseFile struct {
	name  string // below /etc
	kinds []releaseKind
}

// A releaseKind is one kind of text that a file may have.
type releaseKind struct {
	match   func() *regexp.Regexp // the first line; its first two groups are the version
	distro  string
	product string // "" for the first line itself; else put before the version
}

func kind(distro, pattern string) releaseKind {
	return releaseKind{match: lazyregexp.New(pattern), distro: distro}
}

func (k releaseKind) named(product string) releaseKind {
	k.product = product
	return k
}

// The first match holds: a derived distribution keeps the files of its parent, and
// adds its own.
var releaseFiles = []releaseFile{
	{"oracle-release", []releaseKind{kind("oraclelinux", `Oracle Linux.*?release (\d+)(?:\.(\d+))?`)}},
	{"enterprise-release", []releaseKind{kind("oraclelinux", `Enterprise Linux.*?release (\d+)(?:\.(\d+))?`)}},
	{"almalinux-release", []releaseKind{kind("almalinux", `release (\d+)(?:\.(\d+))?`)}},
	{"rocky-release", []releaseKind{kind("rocky", `release (\d+)(?:\.(\d+))?`)}},
	{"centos-release", []releaseKind{kind("centos", `CentOS.*?release (\d+)(?:\.(\d+))?`)}},
	{"neokylin-release", []releaseKind{kind("neokylin", `(?:release |V)(\d+)(?:\.(\d+))?`)}},
	{"altlinux-release", []releaseKind{kind("altlinux", `ALT[^0-9]*(\d+)(?:\.(\d+))?`), kind("altlinux", ``)}},
	{"mageia-release", []releaseKind{kind("mageia", `Mageia.*?release (\d+)(?:\.(\d+))?`)}},
	{"mandriva-release", []releaseKind{kind("mandriva", `Mandriva.*?release (\d+)(?:\.(\d+))?`)}},
	{"mandrake-release", []releaseKind{kind("mandriva", `Mandrake.*?release (\d+)(?:\.(\d+))?`)}},
	{"meego-release", []releaseKind{kind("meego", `MeeGo.*?release (\d+)(?:\.(\d+))?`)}},
	{"pld-release", []releaseKind{kind("pldlinux", `^(\d+)(?:\.(\d+))? PLD Linux`), kind("pldlinux", `PLD Linux`)}},
	{"fedora-release", []releaseKind{kind("fedora", `Fedora.*?release (\d+)(?:\.(\d+))?`)}},
	{"redhat-release", []releaseKind{
		kind("fedora", `Fedora.*?release (\d+)(?:\.(\d+))?`),
		kind("rhel", `Red Hat.*?release (\d+).*?Update (\d+)`),
		kind("rhel", `Red Hat.*?release (\d+)(?:\.(\d+))?`),
		kind("centos", `CentOS.*?release (\d+).*?Update (\d+)`),
		kind("centos", `CentOS.*?release (\d+)(?:\.(\d+))?`),
		kind("scientificlinux", `Scientific Linux.*?release (\d+)(?:\.(\d+))?`),
		kind("rocky", `Rocky Linux.*?release (\d+)(?:\.(\d+))?`),
		kind("almalinux", `AlmaLinux.*?release (\d+)(?:\.(\d+))?`),
		kind("redhat-based", `release (\d+)(?:\.(\d+))?`),
		kind("redhat-based", ``),
	}},
	{"pardus-release", []releaseKind{kind("pardus", `Pardus (\d+)(?:\.(\d+))?`), kind("pardus", ``)}},
	{"frugalware-release", []releaseKind{kind("frugalware", `Frugalware (\d+)(?:\.(\d+))?`)}},
	{"slackware-version", []releaseKind{kind("slackware", `Slackware (\d+)(?:\.(\d+))?`)}},
	{"ttylinux-target", []releaseKind{kind("ttylinux", `ttylinux-(\d+)(?:\.(\d+))?`), kind("ttylinux", `^(\d+)(?:\.(\d+))?$`).named("ttylinux")}},
	{"gentoo-release", []releaseKind{kind("gentoo", `release (\d+)(?:\.(\d+))?`), kind("gentoo", ``).named("Gentoo")}},
	{"alpine-release", []releaseKind{kind("alpinelinux", `^(\d+)(?:\.(\d+))?`).named("Alpine Linux")}},
	{"cirros/version", []releaseKind{kind("cirros", `^(\d+)(?:\.(\d+))?`).named("CirrOS")}},
	{"br-version", []releaseKind{kind("buildroot", `^(\d+)(?:\.(\d+))?`).named("Buildroot"), kind("buildroot", ``).named("Buildroot")}},
	{"arch-release", []releaseKind{kind("archlinux", ``).named("Arch Linux")}},
	{"debian_version", []releaseKind{kind("debian", `^(\d+)(?:\.(\d+))?`), kind("debian", ``)}},
}

// fromReleaseFiles fills s from the older files. It reports whether one says what the
// system is.
func (s *System) fromReleaseFiles(t *tree) bool {
	if s.fromSUSE(t) {
		return true
	}
	for _, f := range releaseFiles {
		name := "etc/" + f.name
		if !t.isFile(name) {
			continue
		}
		text := t.line(name)
		for _, k := range f.kinds {
			if s.fromText(text, k) {
				return true
			}
		}
	}
	return false
}

func (s *System) fromText(text string, k releaseKind) bool {
	m := k.match().FindStringSubmatch(text)
	if m == nil {
		return false
	}
	s.Distro = k.distro
	s.Product, s.Release = text, text
	if k.product != "" {
		s.Product = strings.TrimSpace(k.product + " " + text)
	}
	if len(m) == 3 {
		s.setVersion(strings.TrimSuffix(m[1]+"."+m[2], "."))
	}
	s.Codename = codename(text)
	if k.distro == "debian" {
		if name, ok := strings.CutSuffix(text, "/sid"); ok {
			s.Codename = name
		}
		s.Product = "Debian GNU/Linux " + text
	}
	return true
}

// fromSUSE reads /etc/SuSE-release: a name, and lines such as "VERSION = 11" and
// "PATCHLEVEL = 3".
func (s *System) fromSUSE(t *tree) bool {
	const name = "etc/SuSE-release"
	product := t.line(name)
	if product == "" {
		return false
	}
	vars := map[string]string{}
	for line := range strings.Lines(string(t.read(name))) {
		if k, v, ok := strings.Cut(line, "="); ok && len(vars) < maxAssignments {
			vars[strings.TrimSpace(k)] = clean(v)
		}
	}
	version := vars["VERSION"]
	lower := strings.ToLower(product)
	switch {
	case strings.HasPrefix(lower, "opensuse"):
		s.Distro = "opensuse"
	case strings.HasPrefix(lower, "suse linux enterprise"), strings.HasPrefix(lower, "novell linux desktop"):
		s.Distro = "sles"
		if level := vars["PATCHLEVEL"]; level != "" && !strings.Contains(version, ".") {
			version += "." + level
		}
	default:
		s.Distro = "suse-based"
	}
	s.Product, s.Release = product, product
	if !s.setVersion(version) {
		s.setVersion(findVersion(product))
	}
	s.Codename = vars["CODENAME"]
	return true
}
