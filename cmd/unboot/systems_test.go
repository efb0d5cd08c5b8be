package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs"
	"github.com/unboot/unboot/internal/testguest"
	"github.com/unboot/unboot/internal/testimg"
)

// A guestPart is a partition of a guest that is made for a test, of 16 MiB.
type guestPart struct {
	fstype, label string
	files         testguest.Files
}

// makeGuest makes a disk with a GPT. The UUID of its partition N ends with N.
func makeGuest(t *testing.T, parts ...guestPart) string {
	t.Helper()
	testimg.Need(t, "sfdisk", "mke2fs", "mkfs.vfat")
	image := filepath.Join(t.TempDir(), "guest.img")
	var table, mkfs strings.Builder
	for i, p := range parts {
		fmt.Fprintf(&table, "size=16M,type=L,uuid=00000000-0000-4000-8000-%012d\\n", i+1)
		tool := "mke2fs -q -F -L '" + p.label + "' -t " + p.fstype
		if p.fstype == "vfat" {
			tool = "mkfs.vfat -n '" + cmp.Or(p.label, "NONE") + "'"
		}
		fmt.Fprintf(&mkfs, "truncate -s 0 %[1]s.fs; truncate -s 16M %[1]s.fs; %[2]s %[1]s.fs >/dev/null\n"+
			"dd if=%[1]s.fs of=%[1]s bs=1M seek=%[3]d conv=notrunc,sparse status=none\n", image, tool, 1+16*i)
	}
	testimg.MustRun(t, "sh", "-ec", fmt.Sprintf("truncate -s %dM %s; printf 'label: gpt\\n%s' | sfdisk -q %[2]s\n%[4]s",
		2+16*len(parts), image, table.String(), mkfs.String()))
	for i, p := range parts {
		if len(p.files) > 0 {
			testguest.Fill(t, image, fmt.Sprint("/dev/sda", i+1), "", p.files)
		}
	}
	return image
}

// linux is the root of a system with an fstab.
func linux(id, fstab string) testguest.Files {
	f := testguest.Files{"etc/os-release": "ID=" + id + "\nVERSION_ID=1\nPRETTY_NAME=\"" + id + " 1\"\n", "bin/sh": testguest.ELF(), "etc/fstab": fstab}
	for _, name := range []string{"boot/", "home/", "srv/"} {
		f[name] = ""
	}
	return f
}

// TestSystemsAlike has what a user sees mounted of each guest by the three ways to find its
// operating system: the Go API, which all commands use, info, and guestfish -i.
func TestSystemsAlike(t *testing.T) {
	needKernel(t)
	debian := func(kind string) func(*testing.T) string {
		return func(t *testing.T) string { return testimg.Debian(t, kind) }
	}
	made := func(parts ...guestPart) func(*testing.T) string {
		return func(t *testing.T) string { return makeGuest(t, parts...) }
	}
	usr := func(version string) testguest.Files {
		return testguest.Files{"lib/os-release": "ID=flatcar\nVERSION_ID=" + version + "\nPRETTY_NAME=Flatcar\n", "bin/ls": testguest.ELF(), "share/coreos/": ""}
	}
	deployment := "ostree/deploy/fedora-coreos/deploy/aaa.0/"
	for name, c := range map[string]struct {
		image func(*testing.T) string
		want  string // directories and devices; "" if the user is to choose
	}{
		"debian ext4":      {debian("ext4"), "/ sda1, /boot/efi sda15"},
		"debian xfs":       {debian("xfs"), "/ sda1, /boot/efi sda15"},
		"debian btrfs":     {debian("btrfs"), "/ sda1, /boot/efi sda15"},
		"debian subvolume": {debian("btrfs-subvol"), "/ sda1, /boot/efi sda15, /home sda1"},
		"fedora":           {func(t *testing.T) string { return testguest.Fedora(t, nil) }, "/ sda3, /boot sda2, /boot/efi sda1, /home sda3"},
		"fedora with a snapshot": {func(t *testing.T) string {
			image := testguest.Fedora(t, nil)
			testguest.Snapshot(t, image)
			return image
		}, "/ sda3, /boot sda2, /boot/efi sda1, /home sda3"},
		"windows": {func(t *testing.T) string { return testguest.Windows(t) }, "/ sda2"},
		"every kind of name": {made(
			guestPart{"ext4", "root", linux("debian", "LABEL=root / ext4\nLABEL=BOOT /boot vfat umask=0077\nPARTUUID=00000000-0000-4000-8000-000000000003 /home ext4 ro\n"+
				"/dev/vda4 /srv ext2 noauto\nUUID=1234 /lost ext4\n/dev/sdx1 /away ext4 noauto\nproc /proc proc\n")},
			guestPart{"vfat", "BOOT", nil}, guestPart{"ext4", "", nil}, guestPart{"ext2", "", nil}), "/ sda1, /boot sda2, /home sda3, /srv sda4"},
		"ostree": {made(guestPart{"vfat", "ESP", nil}, guestPart{"ext4", "boot", nil}, guestPart{"ext4", "root", testguest.Files{
			deployment + "usr/lib/os-release": "ID=fedora\nVERSION_ID=39\nPRETTY_NAME=CoreOS\n", deployment + "etc/fstab": "LABEL=boot /boot ext4\n", "boot/": ""}}),
			"/ sda3, /boot sda2"},
		"coreos with two /usr": {made(guestPart{"ext4", "USR-A", usr("1.2")}, guestPart{"ext4", "USR-B", usr("1.3")},
			guestPart{"ext4", "ROOT", testguest.Files{"etc/flatcar/": "", "root/": "", "home/": "", "usr/": ""}}), "/ sda3, /usr sda2"},
		"an installer and its data": {made(guestPart{"vfat", "MEDIA", testguest.Files{".disk/info": "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST\n"}},
			guestPart{"ext4", "persistence", nil}), ""},
		"an installer and a system": {made(guestPart{"vfat", "MEDIA", testguest.Files{".disk/info": "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST\n"}},
			guestPart{"ext4", "root", linux("debian", "")}), "/ sda2"},
		"two systems":   {made(guestPart{"ext4", "a", linux("debian", "LABEL=data /srv ext4\n")}, guestPart{"ext4", "b", linux("fedora", "")}, guestPart{"ext4", "data", nil}), ""},
		"dos and linux": {made(guestPart{"vfat", "DOS", testguest.Files{"KERNEL.SYS": "x", "COMMAND.COM": "x"}}, guestPart{"ext4", "b", linux("fedora", "")}), ""},
		"two directories of windows": {made(guestPart{"ext2", "", testguest.Files{"WINNT/system32/config/": "", "WINNT/system32/cmd.exe": "MZ",
			"WINDOWS/system32/config/": "", "WINDOWS/system32/cmd.exe": "MZ"}}, guestPart{"vfat", "", nil}), "/ sda1"},
		"data": {made(guestPart{"ext4", "", testguest.Files{"letter": "x"}}, guestPart{"vfat", "", nil}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			image := c.image(t)
			for way, got := range map[string]string{"MountAuto": autoMounts(t, image), "info": infoMounts(t, image), "guestfish -i": guestfsMounts(t, image)} {
				if got != c.want {
					t.Errorf("%s: %q, want %q", way, got, c.want)
				}
			}
		})
	}
}

// mountsText writes mounts in one line, by the directories.
func mountsText(mounts map[string]string) string {
	var list []string
	for _, dir := range slices.Sorted(maps.Keys(mounts)) {
		list = append(list, dir+" "+strings.TrimPrefix(mounts[dir], "/dev/"))
	}
	return strings.Join(list, ", ")
}

func autoMounts(t *testing.T, image string) string {
	img, err := unboot.Open(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	f, err := img.MountAuto()
	if errors.As(err, new(*unboot.AmbiguousError)) {
		return ""
	} else if err != nil {
		t.Fatal(err)
	}
	mounts := map[string]string{}
	for _, m := range f.Mounts() {
		mounts[display(m.Dir)] = m.Device
	}
	return mountsText(mounts)
}

func infoMounts(t *testing.T, image string) string {
	out, err := exec.Command("unboot", "info", "--json", image).Output()
	var info jsonInfo
	if err = errors.Join(err, json.Unmarshal(out, &info)); err != nil {
		t.Fatal(err)
	}
	mounts := map[string]string{}
	if info.OS != nil {
		for _, m := range info.OS.Mounts {
			mounts[m.Path] = m.Device
		}
	}
	return mountsText(mounts)
}

// guestfsMounts mounts as guestfish(1) describes its option -i: what cannot be mounted is
// left out, and of several systems none is taken.
func guestfsMounts(t *testing.T, image string) string {
	g, err := guestfs.Create_flags(guestfs.CREATE_NO_ENVIRONMENT)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	err = g.Add_drive(image, &guestfs.OptargsAdd_drive{Format_is_set: true, Format: "raw", Readonly_is_set: true, Readonly: true})
	if err == nil {
		err = g.Launch()
	}
	var roots []string
	if err == nil {
		roots, err = g.Inspect_os()
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(roots) != 1 {
		return ""
	}
	points, err := g.Inspect_get_mountpoints(roots[0])
	if err != nil {
		t.Fatal(err)
	}
	mounts := map[string]string{}
	for _, dir := range slices.SortedFunc(maps.Keys(points), func(a, b string) int { return cmp.Compare(len(a), len(b)) }) {
		switch err := g.Mount_ro(points[dir], dir); {
		case err == nil:
			if mounts[dir], err = g.Mountable_device(points[dir]); err != nil {
				t.Error(err)
			}
		case dir == "/":
			t.Error(err)
		}
	}
	return mountsText(mounts)
}

// TestInfoUsage has the numbers of info and of the kernel, which df asks.
func TestInfoUsage(t *testing.T) {
	needKernel(t)
	image := makeGuest(t, guestPart{"vfat", "ESP", testguest.Files{"EFI/BOOT/x": strings.Repeat("x", 100_000)}}, guestPart{"ext4", "root", linux("debian", "LABEL=ESP /boot vfat umask=0077\n")})
	for _, image := range []string{image, testimg.FS(t, "vfat", testimg.Options{Tree: true})} {
		var info jsonInfo
		var df []jsonDf
		out, err := exec.Command("unboot", "info", "--json", image).Output()
		if err = errors.Join(err, json.Unmarshal(out, &info)); err != nil {
			t.Fatal(err)
		}
		out, err = exec.Command("unboot", "df", "--json", image).Output()
		if err = errors.Join(err, json.Unmarshal(out, &df)); err != nil {
			t.Fatal(err)
		}
		for _, want := range df {
			i := slices.IndexFunc(info.Devices, func(d jsonDevice) bool { return d.Name == want.Device })
			if c := info.Devices[i].Content; c.Size == nil || *c.Size != want.Size || *c.Used != want.Used {
				t.Errorf("%s: info %+v, df %+v", want.Device, c, want)
			}
		}
		if len(df) == 0 {
			t.Error("df prints nothing")
		}
	}
}
