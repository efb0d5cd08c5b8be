package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/unboot/unboot/inspect/fstab"
)

// A mountLine is a mount of the host.
type mountLine struct {
	dev, dir, source string
	readOnly         bool
}

// fuseType is the type of our mounts.
const fuseType = "fuse.unboot"

// ourMounts returns the mounts of images, in the order in which they were made.
func ourMounts() ([]mountLine, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []mountLine
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if m, ok := parseMountLine(s.Text()); ok {
			list = append(list, m)
		}
	}
	return list, s.Err()
}

// parseMountLine reads a line of proc_pid_mountinfo(5), and reports whether it is of an image.
func parseMountLine(line string) (m mountLine, ok bool) {
	before, after, ok := strings.Cut(line, " - ")
	f, g := strings.Fields(before), strings.Fields(after)
	if !ok || len(f) < 6 || len(g) < 2 || g[0] != fuseType {
		return m, false
	}
	return mountLine{
		dev: f[2], dir: fstab.Unescape(f[4]), source: fstab.Unescape(g[1]),
		readOnly: strings.HasPrefix(f[5]+",", "ro,"),
	}, true
}

// listMounts prints what is mounted.
func listMounts(a *app) error {
	list, err := ourMounts()
	if err != nil {
		return err
	}
	t := &table{indent: ""}
	for _, m := range list {
		how := "rw"
		if m.readOnly {
			how = "ro"
		}
		t.row(quote(m.dir), how, quote(m.source))
	}
	fmt.Fprint(a.out, t.String())
	return nil
}
