package packages

import (
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
)

// fuzzFile lists the packages in one file.
func fuzzFile(f *testing.F, name, format string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, _ := List(testtree.Files{name: string(data)}.FS(), format)
		for _, p := range list {
			if p.Name == "" || strings.ContainsAny(p.Name, "\x00\x1b") || p.Epoch < 0 {
				t.Fatalf("%+v", p)
			}
		}
	})
}

func FuzzDpkg(f *testing.F) {
	fuzzFile(f, "var/lib/dpkg/status", "deb", status, "Package: a\n .\n\tx\nStatus: a b installed\nVersion: 1:-")
}

func FuzzAPK(f *testing.F) {
	fuzzFile(f, "lib/apk/db/installed", "apk", "P:a\nV:1-r0\nA:x\n\nP:b\n", ":\nP\nP:")
}

func FuzzPacman(f *testing.F) {
	fuzzFile(f, "var/lib/pacman/local/a/desc", "pacman", "%NAME%\na\n\n%VERSION%\n1:2-3\n", "%%\n%NAME%\n%NAME%\n")
}
