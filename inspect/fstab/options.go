package fstab

import (
	"slices"
	"strings"
)

// Options are the options of a mount, taken apart as mount(8) does: some are for it or for
// the system that starts, and only the others are the file system driver's.
type Options struct {
	ReadOnly bool
	Driver   []string // "umask=0077", "subvol=@"; in their order
	// Elsewhere are those that ask for something else than to mount a device, such as
	// "bind", "loop=/dev/loop1" or "remount".
	Elsewhere []string
}

// generic are the options that are the same for all file systems. What mount(8) makes flags
// of mount(2) from is here, and what only tells when and by whom to mount.
var generic = map[string]bool{
	"rw": true, "ro": true, "defaults": true, "auto": true, "noauto": true, "user": true, "nouser": true, "users": true, "nousers": true,
	"owner": true, "noowner": true, "group": true, "nogroup": true, "_netdev": true, "nofail": true, "failok": true,
	"dev": true, "nodev": true, "suid": true, "nosuid": true, "exec": true, "noexec": true,
	"atime": true, "noatime": true, "diratime": true, "nodiratime": true, "relatime": true, "norelatime": true,
	"strictatime": true, "nostrictatime": true, "lazytime": true, "nolazytime": true,
	"sync": true, "async": true, "dirsync": true, "mand": true, "nomand": true, "iversion": true, "noiversion": true,
	"silent": true, "loud": true, "symfollow": true, "nosymfollow": true,
}

// elsewhere are the options for which there is no device to mount.
var elsewhere = map[string]bool{
	"loop": true, "bind": true, "rbind": true, "move": true, "remount": true,
	"shared": true, "private": true, "slave": true, "unbindable": true,
}

// ParseOptions takes a list of options apart, with commas between them as in the fourth
// field of an fstab and in mount(8)'s -o. A comma inside double quotes is part of a value.
// Of ro and rw the last one holds.
func ParseOptions(list string) Options { return SplitOptions(splitOptions(list)) }

// SplitOptions is ParseOptions of a list that is one already, as in an [Entry].
func SplitOptions(list []string) (o Options) {
	for _, option := range list {
		name, _, _ := strings.Cut(option, "=")
		switch {
		case option == "":
		case option == "ro", option == "rw":
			o.ReadOnly = option == "ro"
		case elsewhere[name]:
			o.Elsewhere = append(o.Elsewhere, option)
		case generic[option], name == "comment", strings.HasPrefix(option, "x-"), strings.HasPrefix(option, "X-"):
		default:
			o.Driver = append(o.Driver, option)
		}
	}
	return o
}

// splitOptions splits a list at its commas.
func splitOptions(list string) []string {
	quoted := false
	return strings.FieldsFunc(list, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ',' && !quoted
	})
}

// visible are the driver's options that change what is seen, and not only how fast or how
// safely. A trailing = stands for any value.
var visible = []string{
	"subvol=", "subvolid=", "iocharset=", "nls=", "codepage=", "utf8",
	"umask=", "fmask=", "dmask=", "uid=", "gid=", "ufstype=",
}

// Visible returns the driver's options that change what is seen of the files: names,
// owners, permissions, the subvolume. The others were meant for the machine, whose kernel
// may have had options that another one refuses.
func (o Options) Visible() (list []string) {
	for _, option := range o.Driver {
		name, _, valued := strings.Cut(option, "=")
		if valued {
			name += "="
		}
		if slices.Contains(visible, name) {
			list = append(list, option)
		}
	}
	return list
}
