package fstab_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/fstab"
	"github.com/unboot/unboot/internal/testimg"
)

// TestLinks has the names of links that blkid(8) gives to udev, for labels of any bytes, and what
// fstab says by them means the device again.
func TestLinks(t *testing.T) {
	testimg.Need(t, "mke2fs", "blkid")
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"root", "my disk", `a\b/c"d`, "größe", "\xff\xfe", "tab\there", "#+-.:=@_", "%{}!$", "日本", "..", "a..b"} {
		testimg.MustRun(t, "mke2fs", "-q", "-F", "-L", label, image)
		want := ""
		for line := range strings.Lines(testimg.MustRun(t, "blkid", "-p", "-o", "udev", image)) {
			if v, ok := strings.CutPrefix(line, "ID_FS_LABEL_ENC="); ok {
				want = "/dev/disk/by-label/" + strings.TrimSuffix(v, "\n")
			}
		}
		d := fstab.Device{Label: label, UUID: "0000-abcd"}
		links := d.Links()
		if label == ".." {
			want = ""
		}
		if links[0] != "/dev/disk/by-uuid/0000-abcd" || strings.Join(links[1:], " ") != want {
			t.Errorf("%q: %q, want %q", label, links, want)
		}
		for _, link := range links {
			if s := fstab.ParseSpec(link); !s.Matches(d) {
				t.Errorf("%q: %s is %v", label, link, s)
			}
		}
	}
	d := fstab.Device{PartUUID: "12345678-01", PartLabel: "EFI System"}
	if got, want := d.Links(), []string{"/dev/disk/by-partuuid/12345678-01", `/dev/disk/by-partlabel/EFI\x20System`}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
