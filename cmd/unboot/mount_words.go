package main

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"

	"github.com/unboot/unboot/fusefs"
)

// idOptions say how owners are shown.
type idOptions struct {
	uid, gid string
	maps     []string
}

func (o *idOptions) declare(f *flagSet) {
	f.string(&o.uid, "", "uid", "USER", "show all files as this user's")
	f.string(&o.gid, "", "gid", "GROUP", "show all files as this group's")
	f.list(&o.maps, "", "map", "[u:|g:]IMAGE:HOST:COUNT", "show these users and groups of the image as others")
}

// set translates the options.
func (o *idOptions) set(to *fusefs.Options) error {
	var err error
	if to.UID, err = hostID("uid", o.uid, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	}); err != nil {
		return err
	}
	if to.GID, err = hostID("gid", o.gid, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	}); err != nil {
		return err
	}
	if len(o.maps) > 0 && (o.uid != "" || o.gid != "") {
		return badUsage("--map and --uid or --gid exclude each other")
	}
	to.UIDs, to.GIDs = nil, nil
	for _, s := range o.maps {
		r, users, groups, ok := parseIDRange(s)
		if !ok {
			return badUsage("--map %s: expected [u:|g:]IMAGE:HOST:COUNT", quote(s))
		}
		if users {
			to.UIDs = append(to.UIDs, r)
		}
		if groups {
			to.GIDs = append(to.GIDs, r)
		}
	}
	// What is not said of one of both is not shown at all.
	if len(o.maps) > 0 {
		to.UIDs, to.GIDs = append([]fusefs.IDRange{}, to.UIDs...), append([]fusefs.IDRange{}, to.GIDs...)
	}
	return nil
}

// hostID returns the number of a user or group of the host.
func hostID(option, value string, look func(string) (string, error)) (*uint32, error) {
	if value == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		number, err := look(value)
		if err != nil {
			return nil, badUsage("--%s %s: %v", option, quote(value), err)
		}
		if n, err = strconv.ParseUint(number, 10, 32); err != nil {
			return nil, err
		}
	}
	if n == 1<<32-1 {
		return nil, badUsage("--%s %s: no such number", option, value)
	}
	id := uint32(n)
	return &id, nil
}

// parseIDRange reads [u:|g:]IMAGE:HOST:COUNT.
func parseIDRange(s string) (r fusefs.IDRange, users, groups, ok bool) {
	rest, isUser := strings.CutPrefix(s, "u:")
	rest, isGroup := strings.CutPrefix(rest, "g:")
	f := strings.Split(rest, ":")
	if len(f) != 3 || isUser && isGroup {
		return r, false, false, false
	}
	for i, to := range []*uint32{&r.Image, &r.Host, &r.Count} {
		n, err := strconv.ParseUint(f[i], 10, 32)
		if err != nil {
			return r, false, false, false
		}
		*to = uint32(n)
	}
	return r, !isGroup, !isUser, true
}

// hostWords are the options of mount(8) that are passed on to the host.
var hostWords = map[string]bool{
	"noatime": true, "nodiratime": true, "relatime": true, "strictatime": true, "sync": true, "async": true, "dirsync": true,
	"default_permissions": true, "nodev": true, "nosuid": true, "exec": true,
}

// idleWords are those that are for mount(8) and fstab(5) itself, or say what is so anyway.
var idleWords = map[string]bool{
	"auto": true, "noauto": true, "user": true, "users": true, "nouser": true, "owner": true, "group": true, "defaults": true, "_netdev": true,
	"nofail": true, "loop": true, "ro": true, "silent": true, "loud": true, "atime": true, "diratime": true,
}

// applyWords reads the words of -o: those of mount(8), and the options of this command by
// their long names, with the value after an equals sign. A comma in a value is written \, as
// in fstab(5). It returns what the host is to be told.
func (m *mounter) applyWords() (host []string, err error) {
	for _, list := range m.words {
		for _, word := range splitWords(list) {
			name, value, given := strings.Cut(word, "=")
			switch {
			case word == "" || idleWords[word] || strings.HasPrefix(word, "x-") || strings.HasPrefix(word, "X-") || name == "comment":
			case word == "dev":
				m.fuse.Dev = true
			case word == "suid":
				m.fuse.Suid = true
			case word == "noexec":
				m.fuse.NoExec = true
			case word == "allow_other":
				m.fuse.AllowOther = true
			case word == "default_permissions":
				m.fuse.DefaultPermissions = true
			case hostWords[word]:
				host = append(host, word)
			default:
				if err := m.applyOption(strings.ReplaceAll(name, "_", "-"), value, given); err != nil {
					return nil, fmt.Errorf("%w", err)
				}
			}
		}
	}
	return host, nil
}

// applyOption sets an option of the command by its long name.
func (m *mounter) applyOption(name, value string, given bool) error {
	spec, err := m.flags.long(name)
	switch {
	case err != nil:
		return err
	case spec == nil || spec.long != name || name == "options":
		return badUsage("-o: no option %s", quote(name))
	case spec.arg == "" && given:
		return badUsage("-o: %s takes no value", name)
	case spec.arg != "" && !given:
		return badUsage("-o: %s needs a value", name)
	}
	if err := spec.set(value); err != nil {
		return spec.badValue(name, value, err)
	}
	return nil
}

// splitWords splits at commas that have no backslash before them.
func splitWords(s string) (words []string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == ',' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == ',':
			words = append(words, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(words, b.String())
}

// mountHelper is the name by which mount(8) starts this program for the type fuse.unboot.
const mountHelper = "mount.fuse.unboot"

// helperArgs translates the command line of mount(8) for its helpers: SOURCE DIR [-sfnv]
// [-N NAMESPACE] [-o OPTIONS] [-t TYPE]. It returns nothing if nothing is to be done.
func helperArgs(args []string) []string {
	out := []string{"mount"}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case (arg == "-t" || arg == "-N") && i+1 < len(args):
			i++
		case arg == "-o" && i+1 < len(args):
			i++
			out = append(out, "-o", args[i])
		case len(arg) > 1 && arg[0] == '-' && strings.Trim(arg[1:], "sfnvi") == "":
			if strings.Contains(arg, "f") {
				return nil
			}
		default:
			out = append(out, arg)
		}
	}
	return out
}

// umountHelper is the name by which umount(8) starts this program for the type fuse.unboot. By
// it, umount returns when what was written is in the image.
const umountHelper = "umount.fuse.unboot"

// umountHelperArgs translates the command line of umount(8) for its helpers: DIR [-flnrv]
// [-N NAMESPACE] [-t TYPE].
func umountHelperArgs(args []string) []string {
	out := []string{"umount"}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case (arg == "-t" || arg == "-N") && i+1 < len(args):
			i++
		case len(arg) > 1 && arg[0] == '-' && strings.Trim(arg[1:], "flnrv") == "":
			if strings.Contains(arg, "l") {
				out = append(out, "--lazy")
			}
		default:
			out = append(out, arg)
		}
	}
	return out
}
