package fstab

import (
	"strings"
)

// Names says what a system calls its encrypted volumes and its arrays, which an fstab
// then mounts by these names.
type Names struct {
	// Crypt has the devices that are encrypted, by the names of what is in them, as
	// crypttab(5) has them: "/dev/mapper/home" is on "UUID=…".
	Crypt map[string]Spec
	// Arrays has the UUIDs of arrays by the paths that mdadm.conf(5) gives them.
	Arrays map[string]string
}

// AddCrypttab reads a crypttab(5). Lines that make no sense are left out, as cryptsetup's
// own scripts do.
func (n *Names) AddCrypttab(text string) {
	for fields := range configLines(text) {
		if len(fields) < 2 || strings.Contains(fields[0], "/") || len(n.Crypt) >= maxEntries {
			continue
		}
		if n.Crypt == nil {
			n.Crypt = map[string]Spec{}
		}
		path := "/dev/mapper/" + Unescape(fields[0])
		if _, twice := n.Crypt[path]; !twice { // the second is refused at boot
			n.Crypt[path] = ParseSpec(fields[1])
		}
	}
}

// AddMdadm reads the lines ARRAY of an mdadm.conf(5).
func (n *Names) AddMdadm(text string) {
	for fields := range configLines(text) {
		if len(fields) < 3 || !strings.EqualFold(fields[0], "ARRAY") || len(n.Arrays) >= maxEntries {
			continue
		}
		path := fields[1]
		if !strings.HasPrefix(path, "/") {
			path = "/dev/md/" + path
		}
		for _, f := range fields[2:] {
			if name, value, _ := strings.Cut(f, "="); strings.EqualFold(name, "uuid") {
				if n.Arrays == nil {
					n.Arrays = map[string]string{}
				}
				n.Arrays[path] = value
			}
		}
	}
}

// configLines yields the words of each line. A line that begins with white space goes on
// with the one before, as mdadm.conf(5) has it; crypttab(5) has no such lines.
func configLines(text string) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		var line []string
		for l := range strings.Lines(text) {
			fields := split(strings.TrimRight(l, "\r\n"))
			if len(fields) == 0 {
				continue
			}
			if (l[0] == ' ' || l[0] == '\t') && len(line) > 0 && strings.EqualFold(line[0], "ARRAY") {
				line = append(line, fields...)
				continue
			}
			if len(line) > 0 && !yield(line) {
				return
			}
			line = fields
		}
		if len(line) > 0 {
			yield(line)
		}
	}
}

// known reports whether the names say what a spec means.
func (n *Names) known(s Spec) bool {
	if s.Kind != Path {
		return false
	}
	_, crypt := n.Crypt[s.Value]
	return crypt || n.Arrays[s.Value] != ""
}

// matches reports whether a spec means a device by what the names say.
func (n *Names) matches(s Spec, d Device) bool {
	if on, ok := n.Crypt[s.Value]; ok {
		return d.Encrypted != nil && on.Matches(*d.Encrypted)
	}
	return sameArray(n.Arrays[s.Value], d.Array)
}

// sameArray compares UUIDs of arrays, of which mdadm(8) accepts many spellings.
func sameArray(a, b string) bool {
	plain := strings.NewReplacer(":", "", "-", "", ".", "", " ", "")
	return a != "" && strings.EqualFold(plain.Replace(a), plain.Replace(b))
}
