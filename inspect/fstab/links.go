package fstab

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// linkDirs are the directories in which udev has links to devices, by what the links' names are.
var linkDirs = map[Kind]string{
	UUID:      "/dev/disk/by-uuid/",
	Label:     "/dev/disk/by-label/",
	PartUUID:  "/dev/disk/by-partuuid/",
	PartLabel: "/dev/disk/by-partlabel/",
	ID:        "/dev/disk/by-id/",
}

// Links returns the links that udev makes for what identifies the device: those by the UUID and
// the label of the file system, and by those of the partition.
func (d *Device) Links() (links []string) {
	for _, s := range []Spec{{UUID, d.UUID}, {Label, d.Label}, {PartUUID, d.PartUUID}, {PartLabel, d.PartLabel}} {
		// A label is any bytes.
		if name := hex(s.Value); name != "" && name != "." && name != ".." {
			links = append(links, linkDirs[s.Kind]+name)
		}
	}
	return links
}

// hex does as blkid_encode_string() of libblkid does, for the names of links: what is neither
// plain nor UTF-8 becomes \x20.
func hex(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case n > 1, r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', strings.ContainsRune("#+-.:=@_", r):
			b.WriteString(s[i : i+n])
		default:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		}
		i += n
	}
	return b.String()
}

// unhex undoes udev's \x20 in the names of links.
func unhex(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
