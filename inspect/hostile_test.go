package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
)

func map2fs(name, text string) fs.FS { return testtree.Files{name: text}.FS() }

// Trees that want to hang, fill or fool us.
func TestHostile(t *testing.T) {
	type files = testtree.Files
	huge := strings.Repeat("x", maxConfig+1)
	many := files{}
	for i := range 5000 {
		many[fmt.Sprintf("lib/modules/%d/modules.dep", i)] = ""
	}
	for name, c := range map[string]struct {
		files   files
		product string // "none" for no system
	}{
		"links in circles":       {files{"etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": "-> /etc/os-release", "bin/ls": ""}, "none"},
		"a link to itself":       {root(files{"etc/os-release": "-> os-release"}), ""},
		"a directory in circles": {files{"etc": "-> /etc/etc", "bin": "-> etc"}, "none"},
		"a link out":             {root(files{"etc/os-release": "-> ../../../../../../../etc/passwd"}), ""},
		"fifos":                  {root(files{"etc/os-release": "fifo", "etc/debian_version": "fifo", "bin/sh": "fifo", "etc/hostname": "fifo"}), ""},
		"directories for files":  {root(files{"etc/os-release/": "", "etc/debian_version/": "", "etc/hostname/": "", "bin/bash/": ""}), ""},
		"a huge os-release":      {root(files{"etc/os-release": "PRETTY_NAME=big\nID=big\n" + huge}), ""},
		"a huge line":            {root(files{"etc/redhat-release": huge}), strings.Repeat("x", maxText)},
		"8-bit":                  {osRelease("ID=x\nPRETTY_NAME=\"Caf\xe9 \xff\xfe Linux\"\n"), "Caf  Linux"},
		"escapes":                {osRelease("ID=x\nPRETTY_NAME=\"\x1b[31mred\x07\"\n"), "[31mred"},
		"an odd ID":              {osRelease("ID=\"../../etc\"\nPRETTY_NAME=odd\n"), "odd"},
		"nothing but newlines":   {osRelease(strings.Repeat("\n", 1<<19)), ""},
		"many kernels":           {root(many), ""},
		"binary":                 {osRelease(string([]byte{0, 1, 2, 0xff, '=', 0})), ""},
	} {
		s, err := Tree(c.files.FS())
		switch {
		case c.product == "none":
			if !errors.Is(err, ErrNoSystem) {
				t.Errorf("%s: %+v, %v", name, s, err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case s.Product != c.product || strings.ContainsAny(s.Distro, "/"):
			t.Errorf("%s: %.100q, %q", name, s.Product, s.Distro)
		case len(s.Kernels) > 256:
			t.Errorf("%s: %d kernels", name, len(s.Kernels))
		}
	}
}

// broken fails on some files.
type broken struct {
	fs.FS
	names []string
}

func (b broken) Open(name string) (fs.File, error) {
	for _, n := range b.names {
		if n == name {
			return nil, &fs.PathError{Op: "open", Path: name, Err: errDisk}
		}
	}
	return b.FS.Open(name)
}

var errDisk = errors.New("input/output error")

// Errors of the disk are reported: with the system, or instead of it.
func TestReadErrors(t *testing.T) {
	s, err := Tree(broken{linuxTrees["debian"].files.FS(), []string{"etc/hostname", "etc/debian_version"}})
	if err != nil || s.Distro != "debian" || len(s.Problems) == 0 || !strings.Contains(s.Problems[0], "input/output error") {
		t.Errorf("%+v %v", s, err)
	}
	_, err = Tree(broken{testtree.Files{"etc/": ""}.FS(), []string{"."}})
	if !errors.Is(err, ErrNoSystem) || !errors.Is(err, errDisk) {
		t.Error(err)
	}
}

// A hive that is larger than any.
func TestHugeHive(t *testing.T) {
	_, _, err := readerAt(endless{}, maxHive+1, maxHive)
	if err == nil {
		t.Error("no error for the size that stat says")
	}
	_, _, err = readerAt(endless{}, 10, 1<<20)
	if err == nil {
		t.Error("no error for the size that there is")
	}
}

type endless struct{ fs.File }

func (endless) Read(p []byte) (int, error) { return len(p), nil }

var _ io.Reader = endless{}
