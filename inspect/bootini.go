package inspect

import "strings"

// bootINI returns the paths of the systems that a boot.ini names, the default one
// first. It looks like this:
//
//	[boot loader]
//	default=multi(0)disk(0)rdisk(0)partition(1)\WINDOWS
//	[operating systems]
//	multi(0)disk(0)rdisk(0)partition(1)\WINDOWS="Microsoft Windows XP" /fastdetect
func bootINI(data []byte) (roots []string) {
	const most = 16
	section := ""
	for line := range strings.Lines(string(data)) {
		line = clean(line)
		if strings.HasPrefix(line, "[") {
			section = strings.ToLower(strings.Trim(line, "[] "))
			continue
		}
		left, right, ok := strings.Cut(line, "=")
		if !ok || len(roots) == most {
			continue
		}
		switch {
		case section == "boot loader" && strings.EqualFold(strings.TrimSpace(left), "default"):
			if p := arcPath(right); p != "" {
				roots = append([]string{p}, roots...)
			}
		case section == "operating systems":
			if p := arcPath(left); p != "" {
				roots = append(roots, p)
			}
		}
	}
	return roots
}

// arcPath returns the directory of a path whose start names a partition:
// "multi(0)disk(0)rdisk(0)partition(1)\WINDOWS".
func arcPath(path string) string {
	_, rest, ok := strings.Cut(strings.ToLower(path), "partition(")
	if !ok {
		return ""
	}
	rest = path[len(path)-len(rest):]
	_, dir, ok := strings.Cut(rest, ")")
	if !ok || !strings.HasPrefix(dir, `\`) {
		return ""
	}
	return strings.Trim(dir, `\ `)
}
