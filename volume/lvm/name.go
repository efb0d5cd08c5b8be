package lvm

import "strings"

// maxName is the longest name of a group or a volume, and of a device of the device mapper.
const maxName = 127

// QuoteName returns the name that the device mapper has for a logical volume: a hyphen
// stands between its parts, and those in them are doubled. Further parts are the layer of
// devices that are hidden below the volume, such as "cow".
func QuoteName(vg, lv string, layer ...string) string {
	name := strings.ReplaceAll(vg, "-", "--") + "-" + strings.ReplaceAll(lv, "-", "--")
	for _, l := range layer {
		if l != "" {
			name += "-" + l
		}
	}
	return name
}

// validName reports whether lvm(8) would let a group or a volume have the name: letters,
// digits and + _ . -, but neither a hyphen at its begin nor the names of directories.
func validName(s string) bool {
	if s == "" || len(s) > maxName || s[0] == '-' || s == "." || s == ".." {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("+_.-", r) }) < 0
}

func alphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// validID reports whether s is a UUID of LVM's without its hyphens.
func validID(s string) bool {
	return len(s) == uuidLen && strings.IndexFunc(s, func(r rune) bool {
		return !alphanumeric(r) && r != '!' && r != '#'
	}) < 0
}

// compact takes the hyphens out of a UUID. It returns "" if the rest is not one.
func compact(uuid string) string {
	if id := strings.ReplaceAll(uuid, "-", ""); validID(id) {
		return id
	}
	return ""
}

// hyphenate returns a UUID as lvm(8) prints it.
func hyphenate(id string) string {
	return strings.Join([]string{id[:6], id[6:10], id[10:14], id[14:18], id[18:22], id[22:26], id[26:]}, "-")
}
