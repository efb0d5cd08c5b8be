package appliance

import (
	"regexp"
	"strings"
)

// varying is what may be another each time, on the appliance too.
var varying = []struct {
	why    string
	re, to string
}{
	{"progress messages of virt tools begin with the seconds that passed",
		`(?m)^\[ *\d+\.\d\]`, "[   0.0]"},
	{"names of temporary files", `(libguestfs|v2vovl|sparsify|virt-\w+\.)[A-Za-z0-9]{6}`, "${1}XXXXXX"},
	{"the line of a script, in a message of guestfish", `(?m)^<stdin>:\d+: `, ""},
	{"numbers of devices are the kernel's", `(?m)^PART_ENTRY_DISK: \d+:\d+$`, "PART_ENTRY_DISK: N"},
	{"where the appliance has mounted the guest does not matter", `/sysroot(/|\b)`, "/"},
}

// normal returns output without what is different in each run.
func (s *shell) normal(out string) string {
	out = strings.ReplaceAll(out, "\r", "")
	out = strings.ReplaceAll(strings.ReplaceAll(out, s.dir, "DIR"), s.home, "HOME")
	return usual(out)
}

func usual(out string) string {
	for _, v := range varying {
		out = regexp.MustCompile(v.re).ReplaceAllString(out, v.to)
	}
	return out
}

// usualLines is usual for lines that were recorded before a rule was made.
func usualLines(recorded []string) (lines []string) {
	for _, l := range recorded {
		mark, text, ok := strings.Cut(l, " ")
		if ok {
			text = " " + usual(text)
		}
		lines = append(lines, mark+text)
	}
	return lines
}
