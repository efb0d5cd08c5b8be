package packages

import (
	"errors"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
)

const plist = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>_XBPS_ALTERNATIVES_</key>
	<dict>
		<key>awk</key>
		<array>
			<string>mawk</string>
		</array>
	</dict>
	<key>base-files</key>
	<dict>
		<key>architecture</key>
		<string>x86_64</string>
		<key>homepage</key>
		<string>https://www.voidlinux.org</string>
		<key>conf_files</key>
		<array>
			<string>/etc/crypttab</string>
		</array>
		<key>maintainer</key>
		<string>Somebody &lt;a@example.org&gt;</string>
		<key>pkgver</key>
		<string>base-files-0.143_3</string>
		<key>short_desc</key>
		<string>Void Linux base system files</string>
		<key>state</key>
		<string>installed</string>
	</dict>
</dict>
</plist>
`

func TestXBPS(t *testing.T) {
	want := []Package{{Name: "base-files", Version: "0.143", Release: "3", Arch: "x86_64", URL: "https://www.voidlinux.org",
		Publisher: "Somebody <a@example.org>", Summary: "Void Linux base system files"}}
	compare(t, testtree.Files{xbpsDB: plist}, "xbps", want)
	deep := testtree.Files{xbpsDB: strings.Repeat("<dict>", 1<<20)}
	if list, err := List(deep.FS(), "xbps"); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	if _, err := List(testtree.Files{xbpsDB: "<dict"}.FS(), "xbps"); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func FuzzXBPS(f *testing.F) {
	fuzzFile(f, xbpsDB, "xbps", plist, "<dict><key>a</key><dict><key>pkgver</key><string>a-1_1")
}
