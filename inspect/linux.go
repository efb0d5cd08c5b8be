package inspect

import (
	"slices"
	"strings"
)

// releaseNames are where os-release(5) is to be looked for, relative to a root.
var releaseNames = []string{"etc/os-release", "usr/lib/os-release"}

// findLinux recognizes the root of a Linux. A container's may have neither shell nor
// fstab, so a file that says what it is suffices.
func findLinux(t *tree) *System {
	if !t.isDir("etc") {
		return findCoreOS(t)
	}
	s := &System{Type: Linux}
	known := s.identify(t, releaseNames) || s.fromReleaseFiles(t)
	if !known {
		if s := findCoreOS(t); s != nil {
			return s
		}
		programs := t.isDir("bin") || t.isDir("usr/bin") || t.exists("bin")
		tables := t.isFile("etc/fstab") || t.isFile("etc/hosts") || t.isFile("etc/passwd")
		if !programs || !tables {
			return nil
		}
	}
	s.later(s.finishLinux)
	return s
}

// findAnnounced recognizes a Linux by its os-release(5), which nearly all have, before
// anything else is looked for. The BSDs have the file as well, as has the Hurd of Debian:
// they are recognized by files of their own.
func findAnnounced(t *tree) *System {
	if t.exists("hurd") || t.exists("service") || !t.isDir("etc") {
		return nil
	}
	s := &System{Type: Linux}
	if !s.identify(t, releaseNames[:1]) || s.ID == "" || strings.HasSuffix(s.ID, "bsd") || s.ID == "dragonfly" {
		return nil
	}
	s.later(s.finishLinux)
	return s
}

// identify reads os-release and lsb-release.
func (s *System) identify(t *tree, names []string) bool {
	for _, name := range names {
		if s.fromOSRelease(assignments(t.read(name))) {
			s.later(s.refine)
			return true
		}
	}
	// Red Hat's has no distribution in it, only the version of the LSB.
	return s.fromLSBRelease(assignments(t.read("etc/lsb-release")))
}

// refine takes from an older file what os-release leaves out: Debian and CentOS
// write the major version alone there.
func (s *System) refine(t *tree) {
	name := map[string]string{"debian": "etc/debian_version", "centos": "etc/centos-release"}[s.Distro]
	if name == "" || strings.Contains(s.Version, ".") || s.ID != s.Distro {
		return
	}
	text := t.line(name)
	s.Release = text
	version := findVersion(text)
	major, minor, ok := parseVersion(version)
	switch {
	case !ok:
		if name, ok := strings.CutSuffix(text, "/sid"); ok && s.Codename == "" {
			s.Codename = name
		}
	case s.Version == "" || major == s.Major:
		s.Version, s.Major, s.Minor = version, major, minor
	}
}

// finishLinux fills in what all kinds of Linux have in common.
func (s *System) finishLinux(t *tree) {
	s.setPackages(t)
	s.Hostname = linuxHostname(t, s.Distro)
	s.Arch = findArch(t, programs)
	s.Kernels = kernels(t)
}

// findUsr recognizes what is mounted on the /usr of a Linux. It has os-release, since
// /etc/os-release is a link to it.
func findUsr(t *tree) *System {
	if !t.isDir("bin") || !t.isDir("share") || t.exists("etc/fstab") {
		return nil
	}
	s := &System{Type: Linux}
	if !s.identify(t, []string{"lib/os-release", "share/coreos/os-release"}) {
		return nil
	}
	s.later(func(t *tree) {
		s.Arch = findArch(t, []string{"bin/bash", "bin/sh", "bin/ls", "bin/env"})
		s.Kernels = kernelsIn(t, "lib/modules")
		s.setPackages(t)
	})
	return s
}

// findCoreOS recognizes the root of a CoreOS Container Linux or Flatcar, which is
// nearly empty: /usr is on a partition of its own, and /etc is filled at boot.
func findCoreOS(t *tree) *System {
	if !t.isDir("root") || !t.isDir("home") || !t.isDir("usr") || !t.isDir("etc/coreos") && !t.isDir("etc/flatcar") {
		return nil
	}
	s := &System{Type: Linux, Distro: "coreos"}
	s.later(func(t *tree) { s.Hostname = linuxHostname(t, "coreos") })
	return s
}

// kernels returns the versions of the kernels that have modules.
func kernels(t *tree) []string {
	list := append(kernelsIn(t, "lib/modules"), kernelsIn(t, "usr/lib/modules")...)
	slices.Sort(list)
	return slices.Compact(list)
}

func kernelsIn(t *tree, dir string) (list []string) {
	for _, e := range t.list(dir) {
		name := e.Name()
		if name == "" || name[0] < '0' || name[0] > '9' || len(list) == 256 {
			continue
		}
		if t.isFile(dir+"/"+name+"/modules.dep") || t.isDir(dir+"/"+name+"/kernel") {
			list = append(list, clean(name))
		}
	}
	return list
}
