package fstab

import (
	"slices"
	"strings"
	"testing"
)

func TestParseOptions(t *testing.T) {
	for list, want := range map[string]string{
		"":                                 "",
		"defaults":                         "",
		"ro":                               "ro",
		"ro,rw":                            "",
		"rw,ro":                            "ro",
		"noatime,nodev,umask=0077":         "umask=0077 | umask=0077",
		"subvol=@,compress=zstd:1":         "subvol=@ compress=zstd:1 | subvol=@",
		",,errors=remount-ro,":             "errors=remount-ro",
		"utf8,utf8=1,nls=utf8,x=y":         "utf8 utf8=1 nls=utf8 x=y | utf8 nls=utf8",
		"nofail,x-systemd.automount,X-a=b": "",
		"comment=cloudconfig,_netdev":      "",
		`context="a,b",ro`:                 `ro context="a,b"`,
		`context="a,b`:                     `context="a,b`,
		"bind,ro":                          "ro / bind",
		"loop=/dev/loop3,umask=0":          "umask=0 / loop=/dev/loop3 | umask=0",
	} {
		o := ParseOptions(list)
		var got []string
		if o.ReadOnly {
			got = append(got, "ro")
		}
		got = append(got, o.Driver...)
		if len(o.Elsewhere) > 0 {
			got = append(append(got, "/"), o.Elsewhere...)
		}
		if v := o.Visible(); len(v) > 0 {
			got = append(append(got, "|"), v...)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", list, strings.Join(got, " "), want)
		}
	}
}

// An entry's options are split where it is read, and come to the same.
func TestSplitOptions(t *testing.T) {
	const list = "noauto,umask=0077,ro,loop"
	entries, _, err := Parse(strings.NewReader("/dev/sda1 /boot/efi vfat " + list + " 0 0\n"))
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	a, b := SplitOptions(entries[0].Options), ParseOptions(list)
	if a.ReadOnly != b.ReadOnly || !slices.Equal(a.Driver, b.Driver) || !slices.Equal(a.Elsewhere, b.Elsewhere) {
		t.Errorf("%+v, %+v", a, b)
	}
}
