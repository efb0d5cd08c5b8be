package inspect

import (
	"strings"
)

// maxAssignments bounds the number of variables in a file of assignments.
const maxAssignments = 1024

// assignments reads a file of shell assignments such as os-release(5),
// /etc/lsb-release, /etc/sysconfig/network or rc.conf. Values may be quoted as in a
// shell; nothing is expanded. Of two assignments the last one holds. Lines that are no
// assignment are skipped.
func assignments(data []byte) map[string]string {
	vars := map[string]string{}
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t")
		line = strings.TrimPrefix(line, "export ")
		name, value, ok := strings.Cut(line, "=")
		if !ok || !isName(name) {
			continue
		}
		if _, again := vars[name]; !again && len(vars) == maxAssignments {
			break
		}
		vars[name] = clean(unquote(value))
	}
	return vars
}

// isName reports whether s can be the name of a shell's variable.
func isName(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// unquote takes the first word of a shell's line and its quotes off. A quote that is
// left open ends with the line. White space ends a word only where the rest is a
// comment: people forget to quote, and what they meant is clear.
func unquote(s string) string {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(s):
			next := s[i+1]
			if quote == '"' && !strings.ContainsRune("$\"\\`", rune(next)) {
				b.WriteByte(c)
			}
			b.WriteByte(next)
			i++
		case c == quote && quote != 0:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t') && strings.HasPrefix(strings.TrimLeft(s[i:], " \t"), "#"):
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// fromOSRelease fills s from os-release(5). It reports whether the file says what
// the system is.
func (s *System) fromOSRelease(vars map[string]string) bool {
	id := strings.ToLower(vars["ID"])
	name := vars["NAME"]
	if id == "" && name == "" {
		return false
	}
	s.ID = id
	s.Like = strings.Fields(strings.ToLower(vars["ID_LIKE"]))
	s.Distro = distroOf(id, s.Like)
	s.Product = vars["PRETTY_NAME"]
	if s.Product == "" {
		s.Product = strings.TrimSpace(name + " " + vars["VERSION"])
	}
	s.Variant = vars["VARIANT_ID"]
	s.BuildID = vars["BUILD_ID"]
	if !s.setVersion(vars["VERSION_ID"]) {
		s.setVersion(vars["VERSION"])
	}
	s.Codename = vars["VERSION_CODENAME"]
	if s.Codename == "" {
		s.Codename = vars["UBUNTU_CODENAME"]
	}
	if s.Codename == "" {
		s.Codename = codename(vars["VERSION"])
	}
	return true
}

// codename finds the name in "7 (wheezy)" and "12.04 LTS, Precise Pangolin".
func codename(version string) string {
	if _, rest, ok := strings.Cut(version, "("); ok {
		name, _, _ := strings.Cut(rest, ")")
		return strings.TrimSpace(name)
	}
	if _, rest, ok := strings.Cut(version, ", "); ok {
		name, _, _ := strings.Cut(rest, " ")
		return strings.ToLower(name)
	}
	return ""
}

// fromLSBRelease fills s from /etc/lsb-release. It reports whether the file says
// what the system is.
func (s *System) fromLSBRelease(vars map[string]string) bool {
	id := strings.ToLower(vars["DISTRIB_ID"])
	if id == "" {
		return false
	}
	s.ID = id
	s.Distro = distroOf(id, nil)
	s.Product = vars["DISTRIB_DESCRIPTION"]
	if s.Product == "" {
		s.Product = strings.TrimSpace(vars["DISTRIB_ID"] + " " + vars["DISTRIB_RELEASE"])
	}
	s.setVersion(vars["DISTRIB_RELEASE"])
	s.Codename = vars["DISTRIB_CODENAME"]
	return true
}
