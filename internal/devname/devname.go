// Package devname has the names that Linux gives to disks: /dev/sda, /dev/sdb and so on,
// as the driver sd(4) counts them. Where the kernel has attached a disk, its own word
// counts; this is for what has to know a name before, or without a kernel.
package devname

import "strings"

const prefix = "/dev/sd"

// Disk returns the name of the i-th disk, from 0: /dev/sda … /dev/sdz, /dev/sdaa.
func Disk(i int) string {
	s := ""
	for i++; i > 0; i = (i - 1) / 26 {
		s = string(rune('a'+(i-1)%26)) + s
	}
	return prefix + s
}

// Index returns which disk a name is of, from 0, and the number of the partition as it is
// written: "" for a whole disk. Other drivers' names, /dev/vda and /dev/hda, stand for the
// same disks. ok reports whether the name is one of these.
func Index(name string) (i int, partition string, ok bool) {
	letters, partition, ok := split(name)
	if !ok || len(letters) > 3 { // 18,278 disks
		return 0, "", false
	}
	for _, c := range []byte(letters) {
		i = i*26 + int(c-'a') + 1
	}
	return i - 1, partition, true
}

// Canonical returns the name that a device has here: /dev/sda1 for /dev/vda1 and
// /dev/hda1. Others it returns as they are.
func Canonical(name string) string {
	letters, partition, ok := split(name)
	if !ok {
		return name
	}
	return prefix + letters + partition
}

// split takes a name apart: the letters of the disk, and the digits of the partition.
func split(name string) (letters, partition string, ok bool) {
	for _, p := range []string{prefix, "/dev/vd", "/dev/hd"} {
		rest, found := strings.CutPrefix(name, p)
		if !found {
			continue
		}
		letters = strings.TrimRight(rest, "0123456789")
		ok = letters != "" && strings.Trim(letters, "abcdefghijklmnopqrstuvwxyz") == ""
		return letters, rest[len(letters):], ok
	}
	return "", "", false
}
