package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/lsfmt"
	"golang.org/x/sys/unix"
)

var statCommand = command{
	name:     "stat",
	short:    "everything about files",
	synopsis: []string{"[OPTION...] IMAGE:PATH..."},
	brief:    "IMAGE:PATH...",
	long: `Prints everything that is known about files, as stat(1) does, and their extended
attributes, which include access control lists and capabilities.
`,
	args: []kind{kindImagePath},
	options: func(f *flagSet) runFunc {
		s := &stater{}
		f.bool(&s.follow, "L", "dereference", "follow symbolic links, inside the image")
		f.bool(&s.json, "", "json", "print a JSON list, one object per file; values of attributes in base64")
		return s.run
	},
	examples: []string{"unboot stat disk.img:/usr/bin/ping"},
	image:    true,
}

type stater struct{ follow, json bool }

func (s *stater) run(a *app, args []string) error {
	if len(args) == 0 {
		return badUsage("no IMAGE:PATH given")
	}
	list := &jsonList{a: a}
	if s.json {
		defer list.end()
	}
	for _, arg := range args {
		o, t, err := a.target(arg, false)
		if err != nil {
			return err
		}
		path, err := o.existing(t)
		if err != nil {
			a.fail(o.aboutTarget(t, err))
			continue
		}
		stat := o.fs.Lstat
		if s.follow {
			stat = o.fs.Stat
		}
		info, err := stat(path)
		if err != nil {
			a.fail(o.about(path, err))
			continue
		}
		e := info.(*unboot.Entry)
		link := ""
		if e.Stat.Mode&unix.S_IFMT == unix.S_IFLNK {
			// The rest is still printed.
			if link, err = o.fs.Readlink(path); err != nil {
				a.fail(o.about(path, err))
			}
		}
		// Attributes of what a link leads to are not asked for by its name.
		var xattrs map[string][]byte
		if !s.follow || e.Stat.Mode&unix.S_IFMT != unix.S_IFLNK {
			if xattrs, err = o.fs.Xattrs(path); err != nil {
				a.fail(o.about(path, err))
			}
		}
		if s.json {
			j := newJSONFile(display(path), &e.Stat, link, o.names())
			for name, value := range xattrs {
				if j.Xattrs == nil {
					j.Xattrs = map[string]string{}
				}
				j.Xattrs[name] = base64.StdEncoding.EncodeToString(value)
			}
			list.add(j)
			continue
		}
		a.printStat(o, display(path), &e.Stat, link, xattrs)
	}
	return nil
}

func (a *app) printStat(o *opened, path string, st *unix.Statx_t, link string, xattrs map[string][]byte) {
	w := a.out
	name := quote(path)
	if link != "" {
		name += " -> " + quote(link)
	}
	names := o.names()
	fmt.Fprintf(w, "  File: %s\n", name)
	fmt.Fprintf(w, "  Size: %-15d Blocks: %-10d IO Block: %-6d %s\n", st.Size, st.Blocks, st.Blksize, typeName(uint32(st.Mode)))
	fmt.Fprintf(w, "Device: %d,%-12d Inode: %-11d Links: %d", st.Dev_major, st.Dev_minor, st.Ino, st.Nlink)
	if isDevice(st) {
		fmt.Fprintf(w, "     Device type: %s", deviceNumber(st, ","))
	}
	fmt.Fprintf(w, "\nAccess: (%s/%s)  Uid: (%d/%s)  Gid: (%d/%s)\n", octal(uint32(st.Mode)&0o7777), lsfmt.AppendMode(nil, uint32(st.Mode)),
		st.Uid, names.users.nameOf(st.Uid), st.Gid, names.groups.nameOf(st.Gid))
	const layout = "2006-01-02 15:04:05.000000000 -0700"
	fmt.Fprintf(w, "Access: %s\n", stamp(st.Atime).Format(layout))
	fmt.Fprintf(w, "Modify: %s\n", stamp(st.Mtime).Format(layout))
	fmt.Fprintf(w, "Change: %s\n", stamp(st.Ctime).Format(layout))
	// Not every file system has a time of birth; stat(1) prints a dash, too.
	birth := "-"
	if st.Mask&unix.STATX_BTIME != 0 {
		birth = stamp(st.Btime).Format(layout)
	}
	fmt.Fprintf(w, " Birth: %s\n", birth)
	for _, n := range slices.Sorted(maps.Keys(xattrs)) {
		// Values are bytes: %q shows control characters without sending them to the
		// terminal.
		fmt.Fprintf(w, " Xattr: %s=%q\n", quote(n), xattrs[n])
	}
}

// octal writes permissions with four digits, the first for setuid and the like.
func octal(mode uint32) string { return fmt.Sprintf("%04o", mode) }

// deviceNumber writes the number of a device file. Those that stat prints as "Device"
// are of the file system that the file is in.
func deviceNumber(st *unix.Statx_t, sep string) string {
	return strconv.FormatUint(uint64(st.Rdev_major), 10) + sep + strconv.FormatUint(uint64(st.Rdev_minor), 10)
}
