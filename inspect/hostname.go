package inspect

import "strings"

// linuxHostname follows hostname(5), and the places where distributions had the name
// before.
func linuxHostname(t *tree, distro string) string {
	files := []string{"etc/hostname"}
	if distro == "sles" || distro == "opensuse" || distro == "suse-based" {
		files = []string{"etc/HOSTNAME", "etc/hostname"}
	}
	for _, name := range append(files, "etc/HOSTNAME") {
		if h := hostnameIn(t, name); h != "" {
			return h
		}
	}
	for _, place := range []struct{ file, variable string }{
		{"etc/sysconfig/network", "HOSTNAME"},
		{"etc/conf.d/hostname", "hostname"}, // Gentoo
		{"etc/rc.conf", "HOSTNAME"},         // Arch before systemd
	} {
		if h := validHostname(assignments(t.read(place.file))[place.variable]); h != "" {
			return h
		}
	}
	return ""
}

// hostnameIn returns the first line of a file that is not a comment.
func hostnameIn(t *tree, name string) string {
	for line := range strings.Lines(string(t.read(name))) {
		line = clean(line)
		if line != "" && line[0] != '#' {
			return validHostname(line)
		}
	}
	return ""
}

// validHostname returns a name if it could be a host's, and otherwise nothing.
func validHostname(name string) string {
	if len(name) > 253 || strings.ContainsAny(name, " /\\$`'\"") {
		return ""
	}
	return name
}
