package guestfs

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/unboot/unboot/internal/testguest"
	"github.com/unboot/unboot/internal/testimg"
)

// inspectedRoot launches with an image, and returns the one root that it has.
func inspectedRoot(t *testing.T, image string, readonly bool) (*Guestfs, string) {
	t.Helper()
	needKernel(t)
	g := create(t)
	check(t, g.Add_drive(image, raw(readonly)))
	check(t, g.Launch())
	roots := must[[]string](t)(g.Inspect_os())
	if len(roots) != 1 {
		t.Fatalf("roots %q", roots)
	}
	return g, roots[0]
}

// mountInspected mounts a root as guestfs(3) has it in its example: shallow directories
// first.
func mountInspected(t *testing.T, g *Guestfs, root string) {
	t.Helper()
	mounts := must[map[string]string](t)(g.Inspect_get_mountpoints(root))
	dirs := slices.SortedFunc(maps.Keys(mounts), func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	for _, dir := range dirs {
		check(t, g.Mount_ro(mounts[dir], dir))
	}
}

func appNames(l *[]Application2) string {
	var names []string
	for _, a := range *l {
		names = append(names, a.App2_name)
	}
	return strings.Join(names, " ")
}

func TestInspectFedora(t *testing.T) {
	g, root := inspectedRoot(t, testguest.Fedora(t, testguest.RPMDatabase(t)), true)
	if s := must[string](t)(g.Inspect_get_osinfo(root)); s != "fedora39" {
		t.Error(s)
	}
	mountInspected(t, g, root)
	if l := must[[]string](t)(g.Ls("/boot/efi/EFI")); !slices.Equal(l, []string{"fedora"}) {
		t.Errorf("%q", l)
	}
	if names := appNames(must[*[]Application2](t)(g.Inspect_list_applications2(root))); names != strings.Join(testguest.RPMs, " ") {
		t.Error(names)
	}
}

func TestInspectWindows(t *testing.T) {
	g, root := inspectedRoot(t, testguest.Windows(t), false)
	if s := must[string](t)(g.Inspect_get_osinfo(root)); s != "win2k19" {
		t.Error(s)
	}
	if m := must[map[string]string](t)(g.Inspect_get_drive_mappings(root)); !maps.Equal(m, map[string]string{"C": "/dev/sda2"}) {
		t.Error(m)
	}
	mountInspected(t, g, root)
	if names := appNames(must[*[]Application2](t)(g.Inspect_list_applications2(root))); names != "Editor {0001}" {
		t.Error(names)
	}
	check(t, g.Hivex_open(must[string](t)(g.Inspect_get_windows_software_hive(root)), nil))
	node := must[int64](t)(g.Hivex_root())
	for _, name := range []string{"Microsoft", "Windows NT", "CurrentVersion"} {
		node = must[int64](t)(g.Hivex_node_get_child(node, name))
	}
	v := must[int64](t)(g.Hivex_node_get_value(node, "ProductName"))
	if s := must[string](t)(g.Hivex_value_string(v)); s != "Windows Server 2019 Standard" {
		t.Error(s)
	}
	if v := must[int64](t)(g.Hivex_node_get_value(node, "none")); v != 0 {
		t.Error(v)
	}
	if _, err := g.Hivex_node_add_child(node, "new"); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
}

func TestInspectDebian(t *testing.T) {
	g, root := inspectedRoot(t, testimg.Debian(t, "btrfs-subvol"), true)
	if s := must[string](t)(g.Inspect_get_osinfo(root)); s != "debian12" {
		t.Error(s)
	}
	if s := must[string](t)(g.Inspect_get_hostname(root)); s != testimg.DebianHostname {
		t.Error(s)
	}
	mountInspected(t, g, root)
	if l := must[*[]Application2](t)(g.Inspect_list_applications2(root)); len(*l) < 80 {
		t.Error(appNames(l))
	}
	if b := must[[]byte](t)(g.Inspect_get_icon(root, nil)); !bytes.HasPrefix(b, []byte("\x89PNG")) {
		t.Errorf("an icon of %d bytes", len(b))
	}
}
