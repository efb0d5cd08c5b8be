package main

import (
	"errors"
	"path"
	"strings"
)

// A bindSpec is a directory of the host that a program sees in its tree.
type bindSpec struct {
	host  string // as it was given
	guest string // an absolute path
	write bool
}

// binds declares the option for them. All commands that run programs have it.
func (f *flagSet) binds(p *[]bindSpec) {
	f.value("", "bind", "HOSTDIR:GUESTDIR[:ro|rw]",
		"let the program see a directory of the host, read-only (ro, the default) or writable (rw); repeatable", func(v string) error {
			b, err := parseBind(v)
			if err == nil {
				*p = append(*p, b)
			}
			return err
		}).kind = kindHost
}

// parseBind takes HOSTDIR:GUESTDIR[:ro|rw] apart. GUESTDIR is absolute, and begins after the
// last colon with a slash behind it, so that HOSTDIR may have colons.
func parseBind(v string) (b bindSpec, err error) {
	rest, mode, given := v, "ro", false
	if i := strings.LastIndexByte(v, ':'); i >= 0 && !strings.Contains(v[i:], "/") {
		rest, mode, given = v[:i], v[i+1:], true
	}
	i := strings.LastIndex(rest, ":/")
	switch {
	case i < 0:
		return b, errors.New("expected HOSTDIR:GUESTDIR[:ro|rw], with an absolute GUESTDIR")
	case i == 0:
		return b, errors.New("HOSTDIR is empty")
	case given && mode != "ro" && mode != "rw":
		return b, errors.New("expected ro or rw after GUESTDIR, not " + quote(mode))
	}
	b = bindSpec{host: rest[:i], guest: path.Clean(rest[i+1:]), write: mode == "rw"}
	switch top, _, _ := strings.Cut(b.guest[1:], "/"); top {
	case "":
		return b, errors.New("GUESTDIR must be a directory below /")
	case "dev", "proc", "run", "sys":
		return b, errors.New("GUESTDIR must not be in /" + top + ", which each program has its own of")
	}
	return b, nil
}
