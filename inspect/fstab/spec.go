package fstab

import (
	"strconv"
	"strings"
)

// Kind says how a spec names a device.
type Kind int

// The kinds of [Spec].
const (
	Other     Kind = iota // "proc", "none" and other words
	UUID                  // of the file system
	Label                 // of the file system
	PartUUID              // of the partition
	PartLabel             // name of the partition, in GPT
	ID                    // of the hardware, as udev spells it
	Path                  // a device file
	Remote                // host:/dir, //host/share
	File                  // any other path: a swap file, a directory to bind
)

var kindNames = [...]string{"other", "UUID", "LABEL", "PARTUUID", "PARTLABEL", "ID", "path", "remote", "file"}

// String returns the tag that fstab has for the kind, or a word.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return strconv.Itoa(int(k))
	}
	return kindNames[k]
}

// Spec is the first field of an entry: the device, or what stands for it.
type Spec struct {
	Kind  Kind
	Value string // without the tag and quotes; for Path, the path
}

// String returns the spec as it is in fstab, but for quotes and escapes.
func (s Spec) String() string {
	switch s.Kind {
	case UUID, Label, PartUUID, PartLabel, ID:
		return s.Kind.String() + "=" + s.Value
	}
	return s.Value
}

// ParseSpec reads the first field of an entry. It takes what root= of a kernel
// command line is, too.
func ParseSpec(field string) Spec {
	if tag, value, ok := strings.Cut(field, "="); ok {
		for kind, name := range kindNames {
			if tag == name && Kind(kind) >= UUID && Kind(kind) <= ID {
				return Spec{Kind(kind), Unescape(unquote(value))}
			}
		}
	}
	value := Unescape(unquote(field))
	for kind, dir := range linkDirs {
		if v, ok := strings.CutPrefix(value, dir); ok && v != "" {
			return Spec{kind, unhex(v)}
		}
	}
	switch {
	case strings.HasPrefix(value, "/dev/"):
		return Spec{Path, value}
	case strings.HasPrefix(value, "//"):
		return Spec{Remote, value}
	case strings.HasPrefix(value, "/"):
		return Spec{File, value}
	case strings.Contains(value, ":/"), strings.Contains(value, "@") && strings.Contains(value, ":"):
		return Spec{Remote, value}
	}
	return Spec{Other, value}
}

// unquote takes off the quotes of "a" and 'a'.
func unquote(s string) string {
	if n := len(s); n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		return s[1 : n-1]
	}
	return s
}

// removable reports whether the spec is a floppy or a CD drive.
func (s Spec) removable() bool {
	name, _ := strings.CutPrefix(s.Value, "/dev/")
	for _, prefix := range []string{"fd", "sr", "scd", "cdrom", "cdrw", "dvd", "floppy"} {
		rest, ok := strings.CutPrefix(name, prefix)
		if ok && strings.Trim(rest, "0123456789") == "" {
			return true
		}
	}
	return false
}

// Disk takes a device's name apart: the kind of its disk ("sd"), its index from 0
// and the partition's number, 0 for the whole disk. It knows the disks of all times:
// /dev/hda1, /dev/sdaa3, /dev/vda1, /dev/xvda1, /dev/nvme0n1p1, /dev/mmcblk0p2,
// /dev/cciss/c0d0p1, /dev/md0p1, /dev/loop0p1, /dev/nbd0p1.
func (s Spec) Disk() (driver string, index, partition int, ok bool) {
	name, isDev := strings.CutPrefix(s.Value, "/dev/")
	if s.Kind != Path || !isDev {
		return "", 0, 0, false
	}
	for _, driver := range []string{"xvd", "ubd", "sd", "hd", "vd"} {
		if rest, found := strings.CutPrefix(name, driver); found {
			index, partition, ok = lettered(rest)
			return driver, index, partition, ok
		}
	}
	for _, driver := range []string{"cciss/c0d", "ida/c0d", "mmcblk", "nvme", "loop", "nbd", "pmem", "md", "dasd"} {
		rest, found := strings.CutPrefix(name, driver)
		if !found {
			continue
		}
		if driver == "dasd" {
			index, partition, ok = lettered(rest)
			return driver, index, partition, ok
		}
		disk, part, divided := strings.Cut(rest, "p")
		if driver == "nvme" {
			// Controllers are counted, their first name space is meant.
			controller, space, found := strings.Cut(disk, "n")
			if n, fine := number(space); !found || !fine || n != 1 {
				return "", 0, 0, false
			}
			disk = controller
		}
		if index, ok = number(disk); !ok {
			return "", 0, 0, false
		}
		if divided {
			if partition, ok = number(part); !ok || partition == 0 {
				return "", 0, 0, false
			}
		}
		driver, _, _ = strings.Cut(driver, "/")
		return driver, index, partition, true
	}
	return "", 0, 0, false
}

// lettered splits "b2" into 1 and 2: disks are counted a to z, aa, ab...
func lettered(s string) (index, partition int, ok bool) {
	letters := strings.TrimRight(s, "0123456789")
	if letters == "" || len(letters) > 3 {
		return 0, 0, false
	}
	for _, c := range []byte(letters) {
		if c < 'a' || c > 'z' {
			return 0, 0, false
		}
		index = index*26 + int(c-'a') + 1
	}
	if digits := s[len(letters):]; digits != "" {
		if partition, ok = number(digits); !ok || partition == 0 {
			return 0, 0, false
		}
	}
	return index - 1, partition, true
}

// number reads a small decimal number.
func number(s string) (n int, ok bool) {
	if s == "" || len(s) > 4 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// LVM returns the volume group and logical volume that a path names: /dev/vg/lv or
// /dev/mapper/vg-lv, in which a hyphen of a name is doubled.
func (s Spec) LVM() (vg, lv string, ok bool) {
	name, isDev := strings.CutPrefix(s.Value, "/dev/")
	if s.Kind != Path || !isDev {
		return "", "", false
	}
	if mapped, found := strings.CutPrefix(name, "mapper/"); found {
		return splitMapped(mapped)
	}
	vg, lv, found := strings.Cut(name, "/")
	if !found || vg == "" || lv == "" || strings.Contains(lv, "/") || notVG[vg] {
		return "", "", false
	}
	return vg, lv, true
}

// notVG are the directories of /dev that are no volume groups.
var notVG = map[string]bool{
	"disk": true, "mapper": true, "md": true, "block": true, "cciss": true, "ida": true, "pts": true, "zvol": true,
	"input": true, "fd": true, "bus": true, "dri": true, "net": true, "snd": true, "char": true,
}

// splitMapped splits device-mapper's "vg-lv".
func splitMapped(name string) (vg, lv string, ok bool) {
	for i := 0; i < len(name); i++ {
		if name[i] != '-' {
			continue
		}
		if i+1 < len(name) && name[i+1] == '-' {
			i++
			continue
		}
		vg, lv = strings.ReplaceAll(name[:i], "--", "-"), strings.ReplaceAll(name[i+1:], "--", "-")
		return vg, lv, vg != "" && lv != ""
	}
	return "", "", false
}
