package inspect

import (
	"strings"

	"github.com/unboot/unboot/internal/lazyregexp"
)

var (
	freebsdVersion = lazyregexp.New(`(?m)^USERLAND_VERSION="?([0-9][^"\s]*)"?`)
	freebsdMotd    = lazyregexp.New(`(?m)^FreeBSD ([0-9]+\.[0-9]+\S*)`)
	freebsdParam   = lazyregexp.New(`(?m)^#define\s+__FreeBSD_version\s+([0-9]{6,7})\b`)
	netbsdRelease  = lazyregexp.New(`(?m)^NetBSD ([0-9]+\.[0-9]+[^\s/]*)`)
	openbsdMotd    = lazyregexp.New(`(?m)^OpenBSD ([0-9]+\.[0-9]+[^\s(]*)`)
)

// findFreeBSD recognizes FreeBSD by its updater, or by the program that prints its
// version, of which it has a script with the version in it.
func findFreeBSD(t *tree) *System {
	script := t.isFile("bin/freebsd-version")
	if !script && !t.isFile("etc/freebsd-update.conf") {
		return nil
	}
	if !t.isDir("etc") || !t.isDir("bin") {
		return nil
	}
	s := &System{Type: FreeBSD, Distro: "freebsd"}
	if m := freebsdVersion().FindSubmatch(t.read("bin/freebsd-version")); m != nil {
		s.setVersion(string(m[1]))
	} else if m := freebsdMotd().FindSubmatch(t.read("etc/motd")); m != nil {
		s.setVersion(string(m[1]))
		s.Release = t.line("etc/motd")
	} else if m := freebsdParam().FindSubmatch(t.read("usr/include/sys/param.h")); m != nil {
		// 1302001: 13.2
		n, _, _ := leadingNumber(string(m[1]))
		s.Major, s.Minor = n/100000, n/1000%100
		s.setVersion(itoa(s.Major) + "." + itoa(s.Minor))
	}
	s.Product = strings.TrimSpace("FreeBSD " + s.Version)
	s.later(s.finishBSD)
	return s
}

// findNetBSD recognizes NetBSD by /etc/release.
func findNetBSD(t *tree) *System {
	if !t.isFile("etc/release") || !t.isDir("bin") {
		return nil
	}
	text := t.read("etc/release")
	m := netbsdRelease().FindSubmatch(text)
	if m == nil {
		return nil
	}
	s := &System{Type: NetBSD, Distro: "netbsd"}
	s.setVersion(string(m[1]))
	s.Product, s.Release = "NetBSD "+s.Version, t.line("etc/release")
	s.PackageFormat, s.PackageManagement = "pkgsrc", "pkgsrc"
	s.later(s.finishBSD)
	return s
}

// findOpenBSD recognizes OpenBSD by what is shown at login, which its rc(8) keeps
// up to date, and otherwise by files that no other system has.
func findOpenBSD(t *tree) *System {
	m := openbsdMotd().FindSubmatch(t.read("etc/motd"))
	own := t.isFile("bsd") && t.isFile("etc/rc.conf") && t.isFile("etc/pf.os")
	if m == nil && !own || !t.isDir("bin") {
		return nil
	}
	s := &System{Type: OpenBSD, Distro: "openbsd", Product: "OpenBSD"}
	if m != nil {
		s.setVersion(string(m[1]))
		s.Product, s.Release = "OpenBSD "+s.Version, t.line("etc/motd")
	}
	s.later(s.finishBSD)
	return s
}

func (s *System) finishBSD(t *tree) {
	s.Arch = findArch(t, programs)
	if name := t.line("etc/myname"); name != "" && s.Type == OpenBSD {
		s.Hostname = validHostname(name)
		return
	}
	s.Hostname = validHostname(assignments(t.read("etc/rc.conf"))["hostname"])
	if s.Hostname == "" {
		s.Hostname = validHostname(t.line("etc/myname"))
	}
}
