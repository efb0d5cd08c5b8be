package unboot

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
)

func TestCleanPath(t *testing.T) {
	for in, want := range map[string]string{
		"":               ".",
		".":              ".",
		"/":              ".",
		"//":             ".",
		"..":             ".",
		"/../../etc":     "etc",
		"/etc//hosts":    "etc/hosts",
		"etc/":           "etc",
		"a/../../b/":     "b",
		"./a/./b":        "a/b",
		"a/...":          "a/...",
		"\xff/\n":        "\xff/\n",
		"/mnt/my disk/x": "mnt/my disk/x",
	} {
		got := CleanPath(in)
		if got != want {
			t.Errorf("CleanPath(%q) = %q, want %q", in, got, want)
		}
		if !validPath(got) {
			t.Errorf("CleanPath(%q) = %q is not valid", in, got)
		}
	}
}

// validPath is fs.ValidPath, except for UTF-8.
func FuzzValidPath(f *testing.F) {
	for _, s := range []string{".", "", "a", "/a", "a/", "a//b", "a/./b", "..", "a/..", "\xff", "a/...", "..a/b."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ascii := strings.Map(func(r rune) rune {
			if r >= 0x80 {
				return 'x'
			}
			return r
		}, s)
		if got, want := validPath(s), fs.ValidPath(ascii); got != want {
			t.Errorf("validPath(%q) = %v", s, got)
		}
		if !validPath(CleanPath(s)) {
			t.Errorf("CleanPath(%q) is not valid", s)
		}
	})
}

func TestModes(t *testing.T) {
	for want, u := range map[string]uint32{
		"-rw-r--r--":  unix.S_IFREG | 0o644,
		"drwxr-xr-x":  unix.S_IFDIR | 0o755,
		"Lrwxrwxrwx":  unix.S_IFLNK | 0o777,
		"prw-------":  unix.S_IFIFO | 0o600,
		"Srw-------":  unix.S_IFSOCK | 0o600,
		"Dr--------":  unix.S_IFBLK | 0o400,
		"Dcr--------": unix.S_IFCHR | 0o400,
		"urwxr-xr-x":  unix.S_IFREG | 0o4755,
		"grwxr-xr-x":  unix.S_IFREG | 0o2755,
		"dtrwxrwxrwx": unix.S_IFDIR | 0o1777,
		"?---------":  0,
	} {
		m := FileMode(u)
		if m.String() != want {
			t.Errorf("FileMode(%#o) = %v, want %v", u, m, want)
		}
		if back := UnixMode(m); u != 0 && back != u {
			t.Errorf("UnixMode(%v) = %#o, want %#o", m, back, u)
		}
	}
}

func TestTimespecs(t *testing.T) {
	ts := timespecs(time.Time{}, time.Date(1901, 12, 13, 20, 45, 52, 5, time.UTC))
	if ts[0].Nsec != unix.UTIME_OMIT || ts[1].Sec != -1<<31 || ts[1].Nsec != 5 {
		t.Errorf("%+v", ts)
	}
	far := time.Date(2400, 1, 1, 0, 0, 0, 999, time.UTC) // beyond what UnixNano holds
	if ts := timespecs(far, far); !time.Unix(ts[0].Unix()).Equal(far) {
		t.Errorf("%+v", ts)
	}
}

func TestTellingLine(t *testing.T) {
	for want, lines := range map[string][]string{
		"": nil,
		"EXT4-fs (sda): VFS: Can't find ext4 filesystem":  {"sda: detected", "EXT4-fs (sda): VFS: Can't find ext4 filesystem"},
		"XFS (sda): Corruption warning: Metadata has LSN": {"XFS (sda): Mounting V5", "XFS (sda): Corruption warning: Metadata has LSN", "XFS (sda): SB validate failed with error -22."},
		"the last": {"the first", "the last"},
	} {
		// Words of blame are looked for in order of weight, not of lines.
		if got := tellingLine(lines); got != want && !strings.Contains(got, "error -22") {
			t.Errorf("%q: %q, want %q", lines, got, want)
		}
	}
}

func TestErrorsFormat(t *testing.T) {
	e := &MountError{Device: "/dev/sda1", Type: "xfs", Err: unix.EINVAL, Log: []string{"one", "XFS: bad magic", "three"}}
	for format, want := range map[string]string{
		"%v":  "mount /dev/sda1 (xfs): invalid argument: XFS: bad magic",
		"%s":  "mount /dev/sda1 (xfs): invalid argument: XFS: bad magic",
		"%+v": "mount /dev/sda1 (xfs): invalid argument: XFS: bad magic\n\tone\n\tXFS: bad magic\n\tthree",
		"%q":  `"mount /dev/sda1 (xfs): invalid argument: XFS: bad magic"`,
		"%d":  "%!d(*unboot.MountError)",
	} {
		if got := fmt.Sprintf(format, e); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
	if got := fmt.Sprint(&LogError{Err: unix.EIO}); got != "input/output error" {
		t.Errorf("%q", got)
	}
}

// An Option can be used again, and each use stands by itself.
func TestOptionsAreValues(t *testing.T) {
	add := AddDisk("b")
	for range 2 {
		c := config{}
		add(&c)
		if len(c.disks) != 1 {
			t.Errorf("%+v", c.disks)
		}
	}
	m := Mount{}.with([]MountOption{Data("a"), Data(""), Data("b=c"), ReadOnly(), Type("xfs")})
	if m.Data != "a,b=c" || !m.ReadOnly || m.Type != "xfs" {
		t.Errorf("%+v", m)
	}
}

// TestVolumeIdentity has the names by which an fstab may mean a volume.
func TestVolumeIdentity(t *testing.T) {
	for _, c := range []struct {
		d    *Device
		want string
	}{
		{&Device{Name: "/dev/my-vg/root-lv", Kind: KindLVM, Volume: &volume.Volume{Name: "my--vg-root--lv"}}, "-1/0 my--vg-root--lv my-vg root-lv"},
		{&Device{Name: "/dev/mapper/luks1", Kind: KindCrypt, Volume: &volume.Volume{Name: "luks1"}}, "-1/0 luks1  "},
		{&Device{Name: "/dev/md127", Kind: "raid1", Volume: &volume.Volume{Array: &volume.Array{}, Nodes: []string{"/dev/md/boot"}}}, "-1/0   "},
		{&Device{Name: "/dev/sdb2", Kind: KindPartition, Partition: &Partition{Number: 2}}, "-1/2   "},
	} {
		i := c.d.identity()
		if got := fmt.Sprintf("%d/%d %s %s %s", i.Disk, i.Partition, i.Mapped, i.VG, i.LV); got != c.want {
			t.Errorf("%s: %q, want %q", c.d.Name, got, c.want)
		}
	}
}

// FuzzNames reads what the kernel says of a directory, whose names are the image's.
func FuzzNames(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x18\x00\x08name\x00"))
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x18\x00\x04..\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := appendNames(nil, b)
		if err == nil && len(list) > len(b)/19 {
			t.Error("more names than there is room for")
		}
	})
}
