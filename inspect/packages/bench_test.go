package packages

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// BenchmarkDpkg reads the database of a usual system.
func BenchmarkDpkg(b *testing.B) {
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "Package: package-%d\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: %d\n"+
			"Maintainer: Some Team <team@lists.debian.org>\nArchitecture: amd64\nMulti-Arch: same\nSource: source-%d (1.2)\nVersion: 1:2.%d-3+deb12u1\n"+
			"Depends: libc6 (>= 2.34), libgcc-s1 (>= 3.0), libstdc++6 (>= 12), zlib1g (>= 1:1.2.3), a-library (>= 0.%d)\n"+
			"Conffiles:\n /etc/package-%d/config 0123456789abcdef0123456789abcdef\n /etc/package-%d/other 0123456789abcdef0123456789abcdef\n"+
			"Description: what it is good for\n It does many things, and this tells of them in a few lines.\n .\n%s"+
			"Homepage: https://www.example.org/package\n\n", i, i, i, i, i, i, i, strings.Repeat(" This is a line of the description, which is long enough for an editor.\n", 6))
	}
	fsys := fstest.MapFS{"var/lib/dpkg/status": {Data: []byte(text.String())}}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if l, err := List(fsys, "deb"); err != nil || len(l) != 2000 {
			b.Fatal(len(l), err)
		}
	}
}
