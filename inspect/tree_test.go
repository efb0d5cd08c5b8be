package inspect

import (
	"errors"
	"fmt"
	"testing"
)

func summary(s *System) string {
	return fmt.Sprintf("%s %s %d.%d %s/%s", s.Type, s.Distro, s.Major, s.Minor, s.PackageFormat, s.PackageManagement)
}

func TestLinuxTrees(t *testing.T) {
	for name, want := range linuxTrees {
		s, err := Tree(want.files.FS())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := summary(s); got != want.summary {
			t.Errorf("%s: %s, want %s", name, got, want.summary)
		}
		if s.Product != want.product || s.Codename != want.codename {
			t.Errorf("%s: product %q, codename %q; want %q, %q", name, s.Product, s.Codename, want.product, want.codename)
		}
		if s.Format != Installed || s.Windows != nil || len(s.Problems) != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		if name != "distroless" && s.Arch != "x86_64" {
			t.Errorf("%s: architecture %q", name, s.Arch)
		}
	}
}

// A tree that is not a system must not be taken for one.
func TestNoSystem(t *testing.T) {
	for name, files := range noSystem {
		s, err := Tree(files.FS())
		if !errors.Is(err, ErrNoSystem) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}
