package inspect

import "strings"

// setVersion sets the version, of which nothing but its first two numbers have a
// meaning here. It reports whether there was one.
func (s *System) setVersion(version string) bool {
	version = clean(version)
	if version == "" {
		return false
	}
	s.Version = version
	// ALT Linux has a p before the number, and Kylin a V.
	s.Major, s.Minor, _ = parseVersion(strings.TrimLeft(version, "pVv"))
	return true
}

// parseVersion returns the numbers that a version starts with: 22 and 4 of
// "22.04 LTS".
func parseVersion(version string) (major, minor int, ok bool) {
	major, rest, ok := leadingNumber(version)
	if !ok {
		return 0, 0, false
	}
	if rest, dot := strings.CutPrefix(rest, "."); dot {
		minor, _, _ = leadingNumber(rest)
	}
	return major, minor, true
}

// leadingNumber splits a number off. One of more than 9 digits is none.
func leadingNumber(s string) (n int, rest string, ok bool) {
	i := 0
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		if i == 9 {
			return 0, s, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, s[i:], i > 0
}

// findVersion returns the first number in a text with all that belongs to it:
// "9.3" of "Rocky Linux release 9.3 (Blue Onyx)".
func findVersion(text string) string {
	for _, word := range strings.Fields(text) {
		if word[0] >= '0' && word[0] <= '9' {
			return strings.TrimRight(word, ",;")
		}
	}
	return ""
}
