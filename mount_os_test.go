package unboot_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// system fills a file system with what makes it an operating system's root.
func system(t *testing.T, img *unboot.Image, device, fstab string) {
	t.Helper()
	f, err := img.Mount(device)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"etc", "boot", "home", "proc", "mnt/nested"} {
		if err := f.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err = errors.Join(f.WriteFile("etc/fstab", []byte(fstab), 0o644), f.WriteFile("etc/os-release", []byte("ID=test\n"), 0o644), f.Unmount())
	if err != nil {
		t.Fatal(err)
	}
}

const testFstab = `# what systems have there
LABEL=root	/	ext4	errors=remount-ro	0 1
LABEL=boot	/boot	xfs	ro,nofail,x-systemd.automount	0 2
/dev/vdc	/boot/deep	ext4	defaults	0 2
/dev/sdz9	/home	ext4	defaults	0 2
LABEL=none\040such	/mnt/nested	ext4	defaults	0 2
UUID=0000	none	swap	sw	0 0
proc	/proc	proc	defaults	0 0
host:/export	/mnt	nfs	defaults	0 0
`

func TestFollowFstab(t *testing.T) {
	writeable := func(fstype, label string) string {
		return testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{Label: label, Size: 512 << 20}))
	}
	img := open(t, writeable("ext4", "root"), unboot.Writable(),
		unboot.AddDisk(writeable("xfs", "boot")), unboot.AddDisk(writeable("ext4", "deep")))
	system(t, img, "LABEL=root", testFstab)
	boot := must(img.Mount("LABEL=boot"))
	if err := errors.Join(boot.Mkdir("deep", 0o755), boot.Unmount()); err != nil {
		t.Fatal(err)
	}

	f, err := img.MountAuto()
	if err != nil {
		t.Fatalf("%+v", err)
	}
	var got []string
	for _, m := range f.Mounts() {
		line := m.Device + " " + m.Dir + " " + m.Type
		if m.ReadOnly {
			line += " ro"
		}
		got = append(got, line)
	}
	want := []string{"/dev/sda . ext4", "/dev/sdb boot xfs ro", "/dev/sdc boot/deep ext4"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	problems := strings.Join(f.Problems(), "\n")
	for _, want := range []string{"/home is not mounted", "/mnt/nested is not mounted"} {
		if !strings.Contains(problems, want) {
			t.Errorf("%q does not say %q", problems, want)
		}
	}
	if strings.Contains(problems, "nfs") || strings.Contains(problems, "swap") || strings.Contains(problems, "proc") {
		t.Errorf("%q", problems)
	}
	if err := f.WriteFile("boot/deep/x", []byte("y"), 0o644); err != nil {
		t.Error(err)
	}
	if err := f.WriteFile("etc/x", []byte("y"), 0o644); err != nil {
		t.Error(err)
	}
	devices := map[string]bool{}
	for e, err := range f.Walk(".", &unboot.WalkOptions{OneFileSystem: true}) {
		if err != nil {
			t.Error(err)
		}
		devices[e.Path()] = true
	}
	if !devices["boot"] || devices["boot/deep"] {
		t.Errorf("OneFileSystem: %v", devices)
	}
	if err := f.RemoveAll("boot"); err == nil {
		t.Error("RemoveAll of a mount point")
	}
	if _, err := f.Stat("boot/deep/x"); err != nil {
		t.Errorf("RemoveAll went into another file system: %v", err)
	}
	if err := f.Unmount(); err != nil {
		t.Fatal(err)
	}
	// The second system makes the choice a user's.
	system(t, img, "LABEL=deep", "")
	_, err = img.MountAuto()
	if ae, ok := errors.AsType[*unboot.AmbiguousError](err); !ok || len(ae.Devices) != 3 {
		t.Errorf("%v", err)
	}
}

func TestDeviceNames(t *testing.T) {
	img := open(t, testimg.Debian(t, "ext4"))
	for name, want := range map[string]string{
		"/dev/sda":                              "/dev/sda",
		"sda15":                                 "/dev/sda15",
		"UUID=" + testimg.DebianESPUUID:         "/dev/sda15",
		"uuid=" + testimg.DebianESPUUID:         "",
		"UUID=":                                 "",
		"LABEL=":                                "",
		"/dev/vda1":                             "",
		"PARTUUID=" + partUUID(img, 15):         "/dev/sda15",
		"PARTUUID=\"" + partUUID(img, 1) + "\"": "/dev/sda1",
	} {
		d, err := img.Device(name)
		switch {
		case want == "" && !errors.Is(err, unboot.ErrNotFound):
			t.Errorf("%s: %v, %v", name, d, err)
		case want != "" && (err != nil || d.Name != want):
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
}

func partUUID(img *unboot.Image, number int) string {
	for _, d := range img.Devices() {
		if d.Partition != nil && d.Partition.Number == number {
			return strings.ToUpper(d.Partition.UUID)
		}
	}
	return "?"
}
