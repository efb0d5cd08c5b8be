package inspect

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
	"github.com/unboot/unboot/internal/testimg"
)

// testdata/guestfs.txt is what libguestfs says of the trees of these tests. To make it
// anew takes guestfish, a kernel for its appliance, and some minutes:
//
//	UNBOOT_GUESTFISH=. go test -timeout 30m -run TestGuestfs ./inspect
//
// The value of the variable is a regular expression for the names of the trees: what is
// said of others stays.

const guestfsFile = "testdata/guestfs.txt"

// guestfsTrees are all trees with a system that is recognized by files alone.
func guestfsTrees() map[string]testtree.Files {
	trees := map[string]testtree.Files{}
	for name, t := range linuxTrees {
		trees[name] = t.files
	}
	for name, t := range otherTrees {
		trees[name] = t.files
	}
	for name, files := range noSystem {
		if _, loop := files["etc"]; !loop {
			trees["none: "+name] = files
		}
	}
	trees["fstab"] = withFstab(guestfsFstab)
	trees["fstab-bsd"] = root(testtree.Files{"bin/freebsd-version": "#!/bin/sh\nUSERLAND_VERSION=\"13.2-RELEASE\"\n", "etc/freebsd-update.conf": "", "etc/fstab": "/dev/ada0p1 /a ufs rw 2 2\n/dev/ada0p2 none swap sw 0 0\n"})
	return trees
}

// guestfsFstab has names for the two partitions of the first disk, and for devices
// that are not there.
const guestfsFstab = `UUID=00000000-0000-4000-8000-0000000000aa /uuid ext2 defaults 0 0
LABEL=data /label ext2
PARTUUID=00000000-0000-4000-8000-000000000001 /partuuid ext2
/dev/sda1 /sd ext2
/dev/hda1 /hd ext2
/dev/vda1 /vd ext2
/dev/xvda1 /xvd ext2
/dev/sda1 /noauto ext2 noauto
/dev/disk/by-uuid/00000000-0000-4000-8000-0000000000aa /by-uuid ext2
/dev/sda2 none swap sw
UUID=00000000-0000-4000-8000-0000000000ff /no-uuid ext2
LABEL=nothing /no-label ext2
/dev/vg/lv /no-lv ext2
/dev/mapper/vg-lv /no-mapper ext2
/dev/md0 /no-md ext2
/dev/sdb1 /no-disk ext2
proc /proc proc
tmpfs /tmp tmpfs
/dev/cdrom /cdrom iso9660
/dev/fd0 /floppy auto
server:/x /nfs nfs
/uuid /bind none bind
`

// ours returns the lines of guestfsFile for a root.
func ours(r *Root) []string {
	unknown := func(s string) string {
		if s == "" {
			return "unknown"
		}
		return s
	}
	product := r.Product
	if r.Release != "" {
		product = r.Release
	}
	lines := []string{
		"type " + string(r.Type), "distro " + unknown(r.Distro), "product " + unknown(product),
		fmt.Sprintf("version %d.%d", r.Major, r.Minor), "arch " + unknown(r.Arch), "hostname " + unknown(r.Hostname),
		"packages " + unknown(r.PackageFormat) + "/" + unknown(r.PackageManagement),
	}
	for _, m := range r.Mounts {
		if m.Dir != "/" {
			lines = append(lines, "mount "+m.Dir+" "+m.Device)
		}
	}
	for _, f := range r.Filesystems {
		if f != r.Device {
			lines = append(lines, "filesystem "+f)
		}
	}
	slices.Sort(lines)
	return lines
}

// differences are the fields in which we differ, and why. A field that no longer
// differs is an error, too. What we say in its place is in other tests.
var differences = []struct {
	reason string
	trees  []string
	fields []string
}{
	{"libguestfs 1.48 does not know the distribution; guestfs(3) has a name for it or for its relatives",
		[]string{"alma", "amazon", "debian-lsb", "manjaro", "mint", "oracle", "photon", "raspbian", "suse-based"}, []string{"distro", "packages"}},
	{"the same, of one without packages", []string{"buildroot", "flatcar", "nixos"}, []string{"distro"}},
	{"libguestfs has found nothing in the older file", []string{"fedora-core", "mandriva", "neokylin"}, []string{"distro", "packages", "product", "version"}},
	{"the distribution's own file says more than its link to the parent's", []string{"mageia"}, []string{"distro", "packages"}},
	{"dnf has replaced yum since Fedora 22, as guestfs(3) has it", []string{"fedora"}, []string{"packages"}},
	{"guestfs(3) has pacman and rpm", []string{"frugalware", "pld"}, []string{"packages"}},
	{"an empty file says what the product is", []string{"arch-old"}, []string{"product"}},
	{"a container's tree may be without programs", []string{"distroless"}, []string{"*"}},
	{"by the files of the kernel, on any file system", []string{"freedos", "msdos"}, []string{"*"}},
	{"libguestfs does not know the system", []string{"macos", "macos-bare"}, []string{"*"}},
	{"freebsd-version, or a header, has the version", []string{"freebsd", "freebsd-header", "fstab-bsd"}, []string{"product", "version"}},
	{"guestfs(3) has pkgsrc", []string{"netbsd"}, []string{"packages"}},
	{"libguestfs takes OpenBSD for FreeBSD", []string{"openbsd"}, []string{"type", "distro", "hostname"}},
	{"PARTUUID and /dev/disk are resolved; names by position of a device that another entry identifies are not followed", []string{"fstab"}, []string{"mount", "filesystem"}},
}

// differing returns the fields that may differ in a tree.
func differing(tree string) []string {
	for _, d := range differences {
		if slices.Contains(d.trees, tree) {
			return d.fields
		}
	}
	return nil
}

// field returns the lines of a field.
func field(lines []string, name string) (found []string) {
	for _, l := range lines {
		if first, _, _ := strings.Cut(l, " "); first == name || name == "*" {
			found = append(found, l)
		}
	}
	return found
}

func TestGuestfs(t *testing.T) {
	trees := guestfsTrees()
	names := slices.Sorted(maps.Keys(trees))
	if only := os.Getenv("UNBOOT_GUESTFISH"); only != "" {
		match := regexp.MustCompile(only).MatchString
		runGuestfish(t, slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !match(n) }), trees)
	}
	theirs := readGuestfs(t)
	src := &fake{trees: map[string]testtree.Files{"/dev/sda1": {}}, devices: []Device{
		dev("/dev/sda1", "ext2", "UUID=00000000-0000-4000-8000-0000000000aa", "LABEL=data", "PARTUUID=00000000-0000-4000-8000-000000000001"),
		dev("/dev/sda2", "swap")}}
	for i, name := range names {
		device := diskDevice(i + 1)
		src.devices = append(src.devices, dev(device, "ext2"))
		src.trees[device] = trees[name]
	}
	roots, err := Image(src)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, r := range roots {
		i := slices.IndexFunc(src.devices, func(d Device) bool { return d.Name == r.Device })
		found[names[i-2]] = ours(r)
	}
	for _, name := range names {
		may := differing(name)
		if slices.Contains(may, "*") {
			if theirs[name] != nil || found[name] == nil {
				t.Errorf("%s: libguestfs says %q, we say %q", name, theirs[name], found[name])
			}
			continue
		}
		for _, f := range []string{"type", "distro", "product", "version", "arch", "hostname", "packages", "mount", "filesystem"} {
			got, want := field(found[name], f), field(theirs[name], f)
			if slices.Equal(got, want) == slices.Contains(may, f) {
				t.Errorf("%s: libguestfs says %q, we say %q", name, want, got)
			}
		}
	}
}

func readGuestfs(t *testing.T) map[string][]string {
	f, err := os.Open(guestfsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[string][]string{}
	name := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		if line, ok := strings.CutPrefix(s.Text(), "\t"); ok {
			found[name] = append(found[name], line)
		} else {
			name = s.Text()
		}
	}
	return found
}

// diskDevice returns the name of a disk by its index.
func diskDevice(i int) string {
	if i < 26 {
		return "/dev/sd" + string(rune('a'+i))
	}
	return "/dev/sd" + string(rune('a'+i/26-1)) + string(rune('a'+i%26))
}

// runGuestfish puts each tree on a disk, and has libguestfs inspect them all. The first
// disk has a partition with data and one with swap space. (With all of them on one disk,
// libguestfs would run parted for each partition, which takes seconds.)
func runGuestfish(t *testing.T, names []string, trees map[string]testtree.Files) {
	testimg.Need(t, "guestfish", "sfdisk", "mke2fs")
	dir := t.TempDir()
	sh := func(script string, args ...any) {
		t.Helper()
		testimg.MustRun(t, "sh", "-ec", fmt.Sprintf(script, args...))
	}
	sh(`cd %s
truncate -s 1M data swap
mke2fs -q -F -t ext2 -L data -U 00000000-0000-4000-8000-0000000000aa data
mkswap -q swap
truncate -s 4M disk0
sfdisk -q disk0 <<EOF
label: gpt
start=2048, size=2048, uuid=00000000-0000-4000-8000-000000000001
start=4096, size=2048, uuid=00000000-0000-4000-8000-000000000002
EOF
dd if=data of=disk0 bs=1M seek=1 conv=notrunc status=none
dd if=swap of=disk0 bs=1M seek=2 conv=notrunc status=none`, dir)
	args := "-a " + filepath.Join(dir, "disk0")
	script := "run\ninspect-os\n"
	for i, name := range names {
		tree, disk := filepath.Join(dir, fmt.Sprint(i)), filepath.Join(dir, fmt.Sprint("disk", i+1))
		if err := errors.Join(os.Mkdir(tree, 0o755), trees[name].Write(tree)); err != nil {
			t.Fatal(err)
		}
		sh("mke2fs -q -F -t ext2 -d %s %s 1024k", tree, disk)
		args += " -a " + disk
		for _, get := range []string{"type", "distro", "product-name", "major-version", "minor-version", "arch", "hostname", "package-format", "package-management", "mountpoints", "filesystems"} {
			script += fmt.Sprintf("echo \"@@ %d %s\"\n-inspect-get-%s %s\n", i, get, get, diskDevice(i+1))
		}
	}
	fish := filepath.Join(dir, "fish")
	if err := os.WriteFile(fish, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	out := testimg.MustRun(t, "sh", "-c", fmt.Sprintf("guestfish --ro --format=raw %s -f %s 2>/dev/null", args, fish))
	got := map[int]map[string][]string{}
	var index int
	var key string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if _, err := fmt.Sscanf(line, "@@ %d %s", &index, &key); err == nil {
			continue
		}
		if key != "" {
			if got[index] == nil {
				got[index] = map[string][]string{}
			}
			got[index][key] = append(got[index][key], line)
		}
	}
	said := readGuestfs(t)
	for i, name := range names {
		g := got[i]
		if g == nil {
			delete(said, name)
			continue
		}
		one := func(key string) string { return strings.Join(g[key], " ") }
		lines := []string{"type " + one("type"), "distro " + one("distro"), "product " + one("product-name"),
			"version " + one("major-version") + "." + one("minor-version"), "arch " + one("arch"), "hostname " + one("hostname"),
			"packages " + one("package-format") + "/" + one("package-management")}
		for _, m := range g["mountpoints"] {
			if dir, device, _ := strings.Cut(m, ": "); dir != "/" {
				lines = append(lines, "mount "+dir+" "+device)
			}
		}
		for _, f := range g["filesystems"] {
			if f != diskDevice(i+1) {
				lines = append(lines, "filesystem "+f)
			}
		}
		slices.Sort(lines)
		said[name] = lines
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(said)) {
		fmt.Fprintf(&b, "%s\n\t%s\n", name, strings.Join(said[name], "\n\t"))
	}
	if err := errors.Join(os.WriteFile(guestfsFile, []byte(b.String()), 0o644)); err != nil {
		t.Fatal(err)
	}
}
