package packages

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
)

const status = `Package: bash
Essential: yes
Status: install ok installed
Maintainer: Matthias Klose <doko@debian.org>
Architecture: amd64
Version: 5.2.15-2+b2
Source: bash (5.2.15-2)
Description: GNU Bourne Again SHell
 Bash is an sh-compatible command language interpreter.
 .
  * indented
Homepage: http://tiswww.case.edu/php/chet/bash/bashtop.html

Package: gone
Status: deinstall ok config-files
Version: 1

Package: half
Status: install ok half-installed
Version: 1


Package: held
Status: hold ok installed
Architecture: all
Version: 2:1.0-rc-3-4
Description: no more

Status: install ok installed
Version: no name
`

func TestDpkg(t *testing.T) {
	files := testtree.Files{
		"var/lib/dpkg/status":                status,
		"var/lib/dpkg/status.d/base":         "Package: base-files\nVersion: 12.4\nArchitecture: amd64\nDescription: base\n",
		"var/lib/dpkg/status.d/base.md5sums": "d41d8cd98f00b204e9800998ecf8427e  etc/debian_version\n",
	}
	want := []Package{
		{Name: "base-files", Version: "12.4", Arch: "amd64", Summary: "base"},
		{Name: "bash", Version: "5.2.15", Release: "2+b2", Arch: "amd64", Publisher: "Matthias Klose <doko@debian.org>",
			URL: "http://tiswww.case.edu/php/chet/bash/bashtop.html", SourcePackage: "bash", Summary: "GNU Bourne Again SHell",
			Description: "Bash is an sh-compatible command language interpreter.\n\n * indented"},
		{Name: "held", Epoch: 2, Version: "1.0-rc-3", Release: "4", Arch: "all", Summary: "no more"},
	}
	compare(t, files, "deb", want)
	delete(files, "var/lib/dpkg/status")
	compare(t, files, "deb", want[:1])
	compare(t, files, "", want[:1])
}

func compare(t *testing.T, files testtree.Files, format string, want []Package) {
	t.Helper()
	got, err := List(files.FS(), format)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
}

func TestAPK(t *testing.T) {
	installed := `C:Q1p78yvTLG094tHE1+dToJGbmYzQE=
P:musl
V:1.2.4-r2
A:x86_64
S:383304
I:622592
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl
m:Timo Teras <timo.teras@iki.fi>
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755

P:alpine-baselayout
V:3.4.3-r1
A:x86_64
o:alpine-baselayout
`
	want := []Package{
		{Name: "alpine-baselayout", Version: "3.4.3", Release: "r1", Arch: "x86_64", SourcePackage: "alpine-baselayout"},
		{Name: "musl", Version: "1.2.4", Release: "r2", Arch: "x86_64", URL: "https://musl.libc.org/", SourcePackage: "musl",
			Publisher: "Timo Teras <timo.teras@iki.fi>", Summary: "the musl c library (libc) implementation"},
	}
	compare(t, testtree.Files{"lib/apk/db/installed": installed}, "apk", want)
	compare(t, testtree.Files{"lib": "-> usr/lib", "usr/lib/apk/db/installed": installed}, "apk", want)
}

func TestPacman(t *testing.T) {
	files := testtree.Files{
		"var/lib/pacman/local/ALPM_DB_VERSION": "9\n",
		"var/lib/pacman/local/linux-6.6.8.arch1-1/desc": "%NAME%\nlinux\n\n%VERSION%\n6.6.8.arch1-1\n\n%BASE%\nlinux\n\n%DESC%\nThe Linux kernel and modules\n\n" +
			"%URL%\nhttps://github.com/archlinux/linux\n\n%ARCH%\nx86_64\n\n%PACKAGER%\nJan <jan@archlinux.org>\n\n%DEPENDS%\ncoreutils\nkmod\n\n",
		"var/lib/pacman/local/openssh-9/desc": "%NAME%\nopenssh\n\n%VERSION%\n1:9.5p1-2\n\n%LICENSE%\ncustom\n",
		"var/lib/pacman/local/broken/":        "",
	}
	got, err := List(files.FS(), "pacman")
	want := []Package{
		{Name: "linux", Version: "6.6.8.arch1", Release: "1", Arch: "x86_64", SourcePackage: "linux", URL: "https://github.com/archlinux/linux",
			Publisher: "Jan <jan@archlinux.org>", Summary: "The Linux kernel and modules"},
		{Name: "openssh", Epoch: 1, Version: "9.5p1", Release: "2"},
	}
	if err == nil || !strings.Contains(err.Error(), "broken/desc") || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
}

func TestPortage(t *testing.T) {
	files := testtree.Files{}
	for dir, want := range map[string]string{
		"sys-apps/portage-3.0.57-r1":  "sys-apps/portage 3.0.57 r1",
		"sys-libs/glibc-2.37":         "sys-libs/glibc 2.37 ",
		"x11-libs/gtk+-3.24.38":       "x11-libs/gtk+ 3.24.38 ",
		"app-misc/a-1-2_rc3_p4":       "app-misc/a-1 2_rc3_p4 ",
		"dev-libs/lib2-x-1.0b":        "dev-libs/lib2-x 1.0b ",
		"media-libs/-MERGING-foo-1.0": "",
		"virtual/no-version":          "",
	} {
		files["var/db/pkg/"+dir+"/"] = ""
		one := testtree.Files{"var/db/pkg/" + dir + "/": "", "var/db/pkg/" + dir + "/CHOST": "x86_64-pc-linux-gnu\n",
			"var/db/pkg/" + dir + "/DESCRIPTION": "Words\n", "var/db/pkg/" + dir + "/HOMEPAGE": "https://a https://b\n", "var/db/pkg/" + dir + "/repository": "gentoo\n"}
		list, err := List(one.FS(), "ebuild")
		got := ""
		if err == nil && len(list) == 1 {
			p := list[0]
			got = fmt.Sprintf("%s %s %s", p.Name, p.Version, p.Release)
			if p.Arch != "x86_64" || p.Summary != "Words" || p.URL != "https://a" || p.Publisher != "gentoo" {
				t.Errorf("%+v", p)
			}
		}
		if got != want || err != nil {
			t.Errorf("%s: %q, %v", dir, got, err)
		}
	}
	if list, err := List(files.FS(), ""); len(list) != 5 || err != nil {
		t.Errorf("%d packages, %v", len(list), err)
	}
}

// Lines without an end, and text that is none.
func TestHostileText(t *testing.T) {
	long := strings.Repeat("x", 3*maxField)
	for name, c := range map[string]struct{ text, name, summary string }{
		"a long line":     {"Package: a\nStatus: install ok installed\nDescription: " + long + "\n", "a", strings.Repeat("x", maxField-len("Description: "))},
		"many lines":      {"Package: a\nStatus: install ok installed\nDescription: s\n" + strings.Repeat(" "+strings.Repeat("y", 1000)+"\n", 1000), "a", "s"},
		"control":         {"Package: a\x00\x1b[m\x07b\nStatus: install ok installed\n", "a[mb", ""},
		"8-bit":           {"Package: caf\xe9\nStatus: install ok installed\n", "caf\ufffd", ""},
		"windows":         {"Package: a\r\nStatus: install ok installed\r\nDescription: s\r\n\r\n", "a", "s"},
		"no end":          {"Package: a\nStatus: install ok installed", "a", ""},
		"continued first": {" b\nPackage: a\nStatus: install ok installed\n", "a", ""},
		"twice":           {"Package: a\nPackage: b\nStatus: install ok installed\n", "a", ""},
		"capitals":        {"PACKAGE: a\nstatus: install ok installed\n", "a", ""},
		"a huge epoch":    {"Package: a\nVersion: 99999999999:1\nStatus: install ok installed\n", "a", ""},
	} {
		list, err := List(testtree.Files{"var/lib/dpkg/status": c.text}.FS(), "deb")
		if err != nil || len(list) != 1 || list[0].Name != c.name || list[0].Summary != c.summary {
			t.Errorf("%s: %.200v, %v", name, list, err)
			continue
		}
		if len(list[0].Description) > maxField || list[0].Epoch < 0 {
			t.Errorf("%s: %d bytes", name, len(list[0].Description))
		}
	}
	var many strings.Builder
	for i := range maxPackages + 10 {
		fmt.Fprintf(&many, "Package: p%d\nStatus: install ok installed\n\n", i)
	}
	list, err := List(testtree.Files{"var/lib/dpkg/status": many.String()}.FS(), "deb")
	if len(list) != maxPackages || err == nil {
		t.Errorf("%d packages, %v", len(list), err)
	}
}
