package unboot

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// skipTypes are file systems in a fstab(5) that are not on a disk.
var skipTypes = []string{
	"swap", "none", "ignore", "proc", "sysfs", "tmpfs", "devtmpfs", "devpts", "ramfs", "debugfs",
	"cgroup", "cgroup2", "efivarfs", "securityfs", "configfs", "hugetlbfs", "mqueue", "binfmt_misc",
	"bpf", "fusectl", "tracefs", "usbfs", "overlay", "autofs",
	"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "9p", "virtiofs", "davfs", "afs",
	"fdescfs", "linprocfs", "linsysfs", "procfs", "kernfs", "ptyfs",
}

// keepOptions are the options of a fstab that change what is seen, and not
// only how fast or by whom. A trailing = stands for any value.
var keepOptions = []string{
	"ro", "subvol=", "subvolid=", "iocharset=", "nls=", "codepage=", "utf8",
	"umask=", "fmask=", "dmask=", "uid=", "gid=", "ufstype=",
}

// fromFstab returns the mount that an entry of a fstab asks for, or why there
// is none: "" if there is nothing to say about it.
func (img *Image) fromFstab(spec, dir, fstype string, options []string) (m Mount, ok bool, why string) {
	if !strings.HasPrefix(dir, "/") || slices.Contains(skipTypes, fstype) || strings.HasPrefix(fstype, "fuse") ||
		slices.Contains(options, "bind") || slices.Contains(options, "rbind") || !isDevice(spec) {
		return m, false, ""
	}
	m.Dir = CleanPath(dir)
	d, err := img.Device(spec)
	if err != nil {
		if d, err = img.Device(hereName(spec)); err != nil {
			return m, false, err.Error()
		}
	}
	m.Device = d.Name
	for _, o := range options {
		key, _, valued := strings.Cut(o, "=")
		if valued {
			key += "="
		}
		switch {
		case o == "ro":
			m.ReadOnly = true
		case slices.Contains(keepOptions, key):
			m.Data = joinData(m.Data, o)
		}
	}
	return m, true, ""
}

// isDevice reports whether the first field of an entry may be on a disk.
func isDevice(spec string) bool {
	return strings.HasPrefix(spec, "/dev/") || strings.HasPrefix(spec, "UUID=") || strings.HasPrefix(spec, "LABEL=") ||
		strings.HasPrefix(spec, "PARTUUID=") || strings.HasPrefix(spec, "PARTLABEL=")
}

var (
	letterName = regexp.MustCompile(`^/dev/(?:sd|hd|vd|xvd|ubd)([a-z])(\d*)$`)
	numberName = regexp.MustCompile(`^/dev/(?:nvme(\d+)n1|mmcblk(\d+))(?:p(\d+))?$`)
)

// hereName translates the name that a disk had where the system ran to the one
// that it has here, if disks are in the same order.
func hereName(name string) string {
	if m := letterName.FindStringSubmatch(name); m != nil {
		return "/dev/sd" + m[1] + m[2]
	}
	if m := numberName.FindStringSubmatch(name); m != nil {
		if n, err := strconv.Atoi(m[1] + m[2]); err == nil && n < 26 {
			return "/dev/sd" + string(rune('a'+n)) + m[3]
		}
	}
	return name
}

type fstabEntry struct {
	spec, dir, fstype string
	options           []string
}

func parseFstab(data []byte) (list []fstabEntry) {
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 3 || strings.HasPrefix(f[0], "#") {
			continue
		}
		e := fstabEntry{spec: f[0], dir: f[1], fstype: f[2]}
		if len(f) > 3 {
			e.options = strings.Split(f[3], ",")
		}
		list = append(list, e)
	}
	return list
}
