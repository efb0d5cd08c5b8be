package inspect

import (
	"strconv"
	"strings"

	"github.com/unboot/unboot/internal/lazyregexp"
)

func itoa(n int) string { return strconv.Itoa(n) }

// findHurd recognizes GNU/Hurd by its translators.
func findHurd(t *tree) *System {
	if !t.isFile("hurd/console") || !t.isFile("hurd/hello") || !t.isFile("hurd/null") {
		return nil
	}
	s := &System{Type: Hurd}
	if !s.identify(t, releaseNames) && !s.fromReleaseFiles(t) {
		s.Product = "GNU/Hurd"
	}
	s.later(func(t *tree) {
		s.setPackages(t)
		s.Hostname = linuxHostname(t, s.Distro)
		s.Arch = findArch(t, programs)
	})
	return s
}

var minixVersion = lazyregexp.New(`([0-9]+)\.([0-9]+)(\.[0-9]+)?`)

// findMinix recognizes MINIX 3 by one of its servers.
func findMinix(t *tree) *System {
	if !t.isFile("service/vm") || !t.isFile("etc/version") {
		return nil
	}
	s := &System{Type: Minix}
	text := t.line("etc/version")
	s.Release = text
	s.setVersion(minixVersion().FindString(text))
	s.Product = strings.TrimSpace("MINIX " + s.Version)
	s.later(func(t *tree) {
		s.Hostname = validHostname(t.line("etc/hostname.file"))
		s.Arch = findArch(t, programs)
	})
	return s
}

// findDOS recognizes FreeDOS and MS-DOS by their kernels. Windows NT leaves empty
// files with the names of the latter.
func findDOS(t *tree) *System {
	kernel := t.noCaseFile("KERNEL.SYS")
	shell := t.noCaseFile("COMMAND.COM")
	fdos := t.noCase("FDOS")
	if fdos == "" {
		fdos = t.noCase("FREEDOS")
	}
	switch {
	case kernel != "" && (shell != "" || fdos != ""), fdos != "" && t.isDir(fdos) && t.noCaseFile("FDCONFIG.SYS") != "":
		s := &System{Type: DOS, Distro: "freedos", Product: "FreeDOS", Arch: "i386"}
		if dir := t.noCase(fdos + "/VERSION.FDI"); fdos != "" && dir != "" {
			s.setVersion(findVersion(t.line(dir)))
		}
		return s
	case shell != "":
		for _, system := range []string{"IO.SYS", "IBMBIO.COM"} {
			name := t.noCaseFile(system)
			if name == "" {
				continue
			}
			if st := t.stat(name); st != nil && st.Size() > 0 {
				return &System{Type: DOS, Distro: "msdos", Product: "MS-DOS", Arch: "i386"}
			}
		}
	}
	return nil
}
