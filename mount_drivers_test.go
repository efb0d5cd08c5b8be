package unboot

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/lkl"
)

// The list of what can be mounted is the kernel's.
func TestDrivers(t *testing.T) {
	k, err := lkl.Boot(context.Background(), nil)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	defer k.Kill()
	data, err := k.ReadFile("/proc/filesystems", 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 1 { // not "nodev"
			have = append(have, f[0])
		}
	}
	slices.Sort(have)
	if want := slices.Sorted(maps.Keys(inKernel)); !slices.Equal(have, want) {
		t.Errorf("the kernel has %q, the list %q", have, want)
	}
	for fstype, list := range drivers {
		for _, d := range list {
			if !inKernel[d.name] {
				t.Errorf("%s: by %s, which the kernel does not have", fstype, d.name)
			}
		}
	}
	for name := range readOnlyTypes {
		if !inKernel[name] {
			t.Errorf("%s is read-only, and not in the kernel", name)
		}
	}
}
