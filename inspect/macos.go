package inspect

import (
	"strings"

	"github.com/unboot/unboot/internal/lazyregexp"
)

// macVersion is what SystemVersion.plist says of one key. In all versions of the system
// that file has been a property list in XML.
var macVersion = lazyregexp.New(`<key>(Product[A-Za-z]*)</key>\s*<string>([^<]*)</string>`)

// findMacOS recognizes Mac OS X and macOS, which libguestfs does not know. Its newer
// versions are on APFS, for which Linux has no driver, so this is mostly about HFS+.
func findMacOS(t *tree) *System {
	const services = "System/Library/CoreServices"
	text := t.read(services + "/SystemVersion.plist")
	if text == nil && !t.isDir(services+"/Finder.app") {
		return nil
	}
	const most = 16 // keys; an honest file has about five
	s := &System{Type: MacOS, Distro: "macos", Product: "macOS"}
	for _, m := range macVersion().FindAllSubmatch(text, most) {
		switch value := string(m[2]); string(m[1]) {
		case "ProductName":
			s.Product = value
		case "ProductVersion":
			s.setVersion(value)
		case "ProductBuildVersion":
			s.BuildID = clean(value)
		}
	}
	s.Product = strings.TrimSpace(s.Product + " " + s.Version)
	return s
}
