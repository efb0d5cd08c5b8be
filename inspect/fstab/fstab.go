// Package fstab reads /etc/fstab of an operating system on a disk image and tells
// which of the image's devices an entry means.
//
// The names in an fstab were true on the machine that wrote it: its second SCSI
// disk may be this image's first. [Spec.Matches] therefore takes a device's
// identity (UUID, label, the partition's UUID and name) as what it is, and the
// name of a disk (sdb2) as a guess at a position; [Table.Resolve] weighs all entries
// against each other.
//
// Format and fields follow fstab(5) and util-linux's libmount.
package fstab

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Entry is one line.
type Entry struct {
	Spec    Spec     // what to mount
	File    string   // where: the mount point, or "none" or "swap" for swap space
	Type    string   // file system type, or a list with commas, or "auto"
	Options []string // mount options, without "defaults"
	Dump    int      // for dump(8)
	Pass    int      // order of checks at boot; 0 for no check
	Line    int      // in the file, from 1
}

// Limits on hostile files. An honest fstab has a few KiB.
const (
	maxSize    = 1 << 20 // bytes
	maxEntries = 4096
)

// Error tells of a line that makes no sense.
type Error struct {
	Line int
	Text string // what is wrong
}

func (e *Error) Error() string { return fmt.Sprintf("fstab line %d: %s", e.Line, e.Text) }

// Parse reads a whole fstab. Lines that make no sense are left out, as mount(8)
// does, and described in problems. The error is one of r, or that the file is too
// large.
func Parse(r io.Reader) (entries []Entry, problems []error, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read fstab: %w", err)
	}
	if len(data) > maxSize {
		return nil, nil, fmt.Errorf("fstab is larger than %d bytes", maxSize)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		e, err := parseLine(strings.TrimRight(line, "\r\n"))
		switch {
		case err != nil:
			if len(problems) < maxEntries {
				problems = append(problems, &Error{n, err.Error()})
			}
		case e == nil:
		case len(entries) == maxEntries:
			return nil, nil, fmt.Errorf("fstab has more than %d entries", maxEntries)
		default:
			e.Line = n
			entries = append(entries, *e)
		}
	}
	return entries, problems, nil
}

// parseLine returns nil for a line without an entry.
func parseLine(line string) (*Entry, error) {
	fields := split(line)
	if len(fields) == 0 {
		return nil, nil
	}
	if len(fields) < 2 {
		return nil, fmt.Errorf("no mount point for %s", fields[0])
	}
	e := &Entry{Spec: ParseSpec(fields[0]), File: Unescape(fields[1]), Type: "auto"}
	if len(fields) > 2 {
		e.Type = Unescape(fields[2])
	}
	if len(fields) > 3 {
		for o := range strings.SplitSeq(fields[3], ",") {
			if o = Unescape(o); o != "" && o != "defaults" {
				e.Options = append(e.Options, o)
			}
		}
	}
	for i, number := range []*int{&e.Dump, &e.Pass} {
		if len(fields) <= 4+i {
			break
		}
		n, err := strconv.Atoi(fields[4+i])
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q where a number should be", fields[4+i])
		}
		*number = n
	}
	if !strings.HasPrefix(e.File, "/") && e.File != "none" && e.File != "swap" && e.Type != "swap" {
		return nil, fmt.Errorf("mount point %q does not begin with /", e.File)
	}
	if strings.Contains(e.File, "\x00") {
		return nil, fmt.Errorf("mount point %q", e.File)
	}
	return e, nil
}

// split splits a line at white space, up to a comment. Quotes do not protect a
// space, which is written \040.
func split(line string) (fields []string) {
	for field := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ' ' || r == '\t' }) {
		if field[0] == '#' {
			break
		}
		fields = append(fields, field)
	}
	return fields
}

// Unescape replaces a backslash and three octal digits by the byte they mean, as the kernel
// writes them in tables of mounts, and fstab(5) has them: \040 is a space.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// pseudo are the types that hold nothing on a disk, or hold it elsewhere.
var pseudo = map[string]bool{
	"autofs": true, "binfmt_misc": true, "bpf": true, "cgroup": true, "cgroup2": true, "configfs": true,
	"debugfs": true, "devfs": true, "devpts": true, "devtmpfs": true, "efivarfs": true, "functionfs": true,
	"fusectl": true, "hugetlbfs": true, "mqueue": true, "none": true, "nsfs": true, "overlay": true, "aufs": true,
	"proc": true, "pstore": true, "ramfs": true, "rootfs": true, "rpc_pipefs": true, "securityfs": true,
	"selinuxfs": true, "sysfs": true, "tmpfs": true, "tracefs": true, "usbfs": true, "usbdevfs": true,

	"9p": true, "afs": true, "beegfs": true, "ceph": true, "cifs": true, "coda": true, "davfs": true, "glusterfs": true,
	"lustre": true, "ncpfs": true, "nfs": true, "nfs4": true, "smb3": true, "smbfs": true, "virtiofs": true, "vboxsf": true,
	"sshfs": true, "s3fs": true,
}

// IsSwap reports whether the entry is swap space.
func (e *Entry) IsSwap() bool { return e.Type == "swap" }

// IsBind reports whether the entry shows a directory, or mounts a file of the
// system, at a second place.
func (e *Entry) IsBind() bool {
	return e.has("bind") || e.has("rbind") || e.has("loop") || strings.HasPrefix(e.option("loop"), "/")
}

// IsNetwork reports whether the entry needs another machine.
func (e *Entry) IsNetwork() bool {
	return e.has("_netdev") || e.Spec.Kind == Remote
}

// IsReal reports whether the entry is a file system on a disk, which is mounted at
// boot or could be: not swap, not the kernel's (proc, tmpfs), not a network's, not
// a bind mount. For what is not mounted at boot see NoAuto.
func (e *Entry) IsReal() bool {
	kind := e.Type
	if rest, ok := strings.CutPrefix(kind, "fuse."); ok {
		kind = rest
	}
	kind, _, _ = strings.Cut(kind, ",")
	switch {
	case !strings.HasPrefix(e.File, "/"), e.IsSwap(), e.IsBind(), e.IsNetwork(), pseudo[kind]:
		return false
	}
	switch e.Spec.Kind {
	case Other, Remote, File:
		return false
	case Path:
		return e.Spec.Value != "/dev/shm" && !e.Spec.removable()
	}
	return true
}

// NoAuto reports whether the entry is not mounted at boot.
func (e *Entry) NoAuto() bool { return e.has("noauto") }

// NoFail reports whether the system boots without the device.
func (e *Entry) NoFail() bool { return e.has("nofail") }

// Subvolume returns the btrfs subvolume that the entry mounts, "" for the default: its
// path from the top level, which is "/" itself, or "id:" and a number. Where an entry has
// both, it is the path; see SubvolumeID.
func (e *Entry) Subvolume() string {
	if s, ok := e.value("subvol"); ok {
		if s = strings.Trim(path.Clean("/"+s), "/"); s == "" {
			return "/"
		}
		return s
	}
	if id, ok := e.value("subvolid"); ok {
		return "id:" + id
	}
	return ""
}

// SubvolumeID returns the number of the btrfs subvolume that the entry mounts, and whether
// it has one. The top level is 5, which an entry may also call 0, as the kernel does. What
// is no number is that of no subvolume, 1.
func (e *Entry) SubvolumeID() (id uint64, ok bool) {
	const none, top = 1, 5
	s, ok := e.value("subvolid")
	if !ok {
		return 0, false
	}
	// Of the notations that Go knows the kernel has only these two.
	base := 10
	if hex, found := strings.CutPrefix(strings.ToLower(s), "0x"); found {
		s, base = hex, 16
	} else if len(s) > 1 && s[0] == '0' {
		base = 8
	}
	id, err := strconv.ParseUint(s, base, 64)
	switch {
	case err != nil:
		return none, true
	case id == 0:
		return top, true
	}
	return id, true
}

// HasSubvolume reports whether the entry mounts a subvolume that it names.
func (e *Entry) HasSubvolume() bool { return e.Subvolume() != "" }

func (e *Entry) has(option string) bool { return slices.Contains(e.Options, option) }

// option returns the value of an option, the last one if there are several.
func (e *Entry) option(name string) string {
	v, _ := e.value(name)
	return v
}

// value is like option, and tells an empty value from none.
func (e *Entry) value(name string) (value string, ok bool) {
	for _, o := range e.Options {
		if v, found := strings.CutPrefix(o, name+"="); found {
			value, ok = v, true
		}
	}
	return value, ok
}
