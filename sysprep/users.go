package sysprep

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/unboot/unboot"
)

// A user is a line of passwd(5).
type user struct {
	name string
	uid  uint64
	home string
}

func parseUsers(table []byte) []user {
	var list []user
	for line := range bytes.Lines(table) {
		f := strings.Split(strings.TrimRight(string(line), "\r\n"), ":")
		if len(f) < 6 {
			continue
		}
		if uid, err := strconv.ParseUint(f[2], 10, 32); err == nil {
			list = append(list, user{f[0], uid, f[5]})
		}
	}
	return list
}

// uidRange returns the IDs of people's accounts, as login.defs(5) has them.
func uidRange(defs []byte) (low, high uint64) {
	low, high = 1000, 60000
	for line := range bytes.Lines(defs) {
		f := strings.Fields(string(line))
		if len(f) < 2 {
			continue
		}
		n, err := strconv.ParseUint(f[1], 0, 32)
		switch {
		case err != nil:
		case f[0] == "UID_MIN":
			low = n
		case f[0] == "UID_MAX":
			high = n
		}
	}
	return low, high
}

// userAccount removes people's accounts with their home directories and mail.
func (r *run) userAccount(context.Context) error {
	table, err := r.g.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	defs, err := r.g.ReadFile("/etc/login.defs")
	if err != nil {
		defs = nil // that of shadow has these defaults
	}
	low, high := uidRange(defs)
	gone := map[string]bool{}
	var leaving []user
	var homes []string // that stay
	for _, u := range parseUsers(table) {
		remove := u.uid >= low && u.uid <= high && u.uid != 0 && !slices.Contains(r.p.KeepUsers, u.name) &&
			(len(r.p.RemoveUsers) == 0 || slices.Contains(r.p.RemoveUsers, u.name))
		if remove {
			gone[u.name] = true
			leaving = append(leaving, u)
		} else {
			homes = append(homes, unboot.CleanPath(u.home))
		}
	}
	if len(gone) == 0 {
		return nil
	}
	for _, name := range []string{"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"} {
		table, err := r.g.ReadFile(name)
		if err != nil {
			if _, missing := r.g.FS.Lstat(unboot.CleanPath(name)); missing != nil {
				continue
			}
			return err
		}
		members := name == "/etc/group" || name == "/etc/gshadow"
		if changed := withoutUsers(table, gone, members); !bytes.Equal(changed, table) {
			if err := r.g.WriteFile(name, changed, 0o600); err != nil {
				return err
			}
		}
	}
	for _, u := range leaving {
		if u.name != "" && !strings.Contains(u.name, "/") && u.name != "." && u.name != ".." {
			if err := r.g.RemoveAll("/var/spool/mail/" + u.name); err != nil {
				return err
			}
		}
		home := unboot.CleanPath(u.home)
		shared := slices.ContainsFunc(homes, func(h string) bool { return h == home || strings.HasPrefix(h, home+"/") })
		if isSystemDir(home) || shared || !strings.HasPrefix(u.home, "/") {
			r.warn("the home directory of %q is not removed: %q", u.name, u.home)
			continue
		}
		if err := r.g.RemoveAll(u.home); err != nil {
			return err
		}
	}
	return nil
}
