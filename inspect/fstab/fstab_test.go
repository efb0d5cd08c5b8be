package fstab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/unboot/unboot/internal/testimg"
)

const debian = `# /etc/fstab: static file system information.
#
# <file system> <mount point>   <type>  <options>       <dump>  <pass>
UUID=5eed0001-0000-4000-8000-000000000001 /               ext4    errors=remount-ro 0       1
# /boot/efi was on /dev/sda15 during installation
UUID=C0FF-EE15  /boot/efi       vfat    umask=0077      0       1
/dev/mapper/vg--a-swap_1 none            swap    sw              0       0
/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0
tmpfs	/tmp	tmpfs	defaults,nosuid,nodev	0	0
`

func TestParse(t *testing.T) {
	entries, problems, err := Parse(strings.NewReader(debian))
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	want := []Entry{
		{Spec{UUID, "5eed0001-0000-4000-8000-000000000001"}, "/", "ext4", []string{"errors=remount-ro"}, 0, 1, 4},
		{Spec{UUID, "C0FF-EE15"}, "/boot/efi", "vfat", []string{"umask=0077"}, 0, 1, 6},
		{Spec{Path, "/dev/mapper/vg--a-swap_1"}, "none", "swap", []string{"sw"}, 0, 0, 7},
		{Spec{Path, "/dev/sr0"}, "/media/cdrom0", "udf,iso9660", []string{"user", "noauto"}, 0, 0, 8},
		{Spec{Other, "tmpfs"}, "/tmp", "tmpfs", []string{"nosuid", "nodev"}, 0, 0, 9},
	}
	if !reflect.DeepEqual(entries, want) {
		t.Errorf("got  %+v\nwant %+v", entries, want)
	}
}

// The fields of odd lines.
func TestLines(t *testing.T) {
	for line, want := range map[string]string{
		"":                  "",
		"   \t ":            "",
		"# comment":         "",
		"  # indented":      "",
		"/dev/sda1 / ext4":  "path /dev/sda1|/|ext4|[]|0|0",
		"/dev/sda1\t/\t":    "path /dev/sda1|/|auto|[]|0|0",
		"/dev/sda1 / # ext": "path /dev/sda1|/|auto|[]|0|0",
		"LABEL=a#b / ext4":  "LABEL a#b|/|ext4|[]|0|0",
		"/dev/sda1 /a\\040b\\011c\\134d ext4 defaults 1 2":  "path /dev/sda1|/a b\tc\\d|ext4|[]|1|2",
		`LABEL="my\040disk" /mnt ext4 ro,noexec 0 0`:        "LABEL my disk|/mnt|ext4|[ro noexec]|0|0",
		`LABEL="my disk" /mnt ext4`:                         `error mount point "disk\"" does not begin with /`,
		`LABEL="disk" /mnt ext4`:                            "LABEL disk|/mnt|ext4|[]|0|0",
		`LABEL=my\040disk /mnt ext4`:                        "LABEL my disk|/mnt|ext4|[]|0|0",
		`LABEL=say"x /mnt ext4`:                             "LABEL say\"x|/mnt|ext4|[]|0|0",
		`LABEL="open /mnt ext4`:                             "LABEL \"open|/mnt|ext4|[]|0|0",
		"UUID=\"1234-ABCD\" /efi vfat":                      "UUID 1234-ABCD|/efi|vfat|[]|0|0",
		"PARTUUID=00112233-01 /boot auto":                   "PARTUUID 00112233-01|/boot|auto|[]|0|0",
		"PARTLABEL=root / btrfs subvol=@,compress=zstd:3":   "PARTLABEL root|/|btrfs|[subvol=@ compress=zstd:3]|0|0",
		"ID=wwn-0x5000 /x xfs":                              "ID wwn-0x5000|/x|xfs|[]|0|0",
		"/dev/disk/by-uuid/1234-ABCD /efi vfat":             "UUID 1234-ABCD|/efi|vfat|[]|0|0",
		`/dev/disk/by-label/my\x20disk /m ext4`:             "LABEL my disk|/m|ext4|[]|0|0",
		`/dev/disk/by-label/my\134x20disk /m ext4`:          "LABEL my disk|/m|ext4|[]|0|0",
		"/dev/disk/by-partlabel/a /m ext4":                  "PARTLABEL a|/m|ext4|[]|0|0",
		"/dev/disk/by-path/pci-0 /m ext4":                   "path /dev/disk/by-path/pci-0|/m|ext4|[]|0|0",
		"server:/export /m nfs4 _netdev":                    "remote server:/export|/m|nfs4|[_netdev]|0|0",
		"//server/share /m cifs credentials=/root/c,,uid=1": "remote //server/share|/m|cifs|[credentials=/root/c uid=1]|0|0",
		"user@host:dir /m fuse.sshfs":                       "remote user@host:dir|/m|fuse.sshfs|[]|0|0",
		"/swapfile none swap sw 0 0":                        "file /swapfile|none|swap|[sw]|0|0",
		"/home /srv none bind":                              "file /home|/srv|none|[bind]|0|0",
		"proc /proc proc":                                   "other proc|/proc|proc|[]|0|0",
		"/dev/sda1 / ext4 defaults 0 1 more":                "path /dev/sda1|/|ext4|[]|0|1",
		"/dev/sda1 / ext4 defaults 0 1\r":                   "path /dev/sda1|/|ext4|[]|0|1",
		"/dev/sda1":                                         "error no mount point for /dev/sda1",
		"/dev/sda1 home ext4":                               `error mount point "home" does not begin with /`,
		"/dev/sda1 / ext4 defaults one":                     `error "one" where a number should be`,
		"/dev/sda1 / ext4 defaults 0 -1":                    `error "-1" where a number should be`,
		"/dev/sda1 / ext4 defaults 0 99999999999999999999":  `error "99999999999999999999" where a number should be`,
		"/dev/sda1 /\\000 ext4":                             `error mount point "/\x00"`,
		"/dev/sda1 /a\\777\\08\\9 ext4":                     "path /dev/sda1|/a\\777\\08\\9|ext4|[]|0|0",
		"LABEL= / ext4":                                     "LABEL |/|ext4|[]|0|0",
	} {
		entries, problems, err := Parse(strings.NewReader(line))
		got := ""
		switch {
		case err != nil:
			t.Fatal(err)
		case len(problems) == 1 && len(entries) == 0:
			var e *Error
			if !errors.As(problems[0], &e) || e.Line != 1 {
				t.Errorf("%q: %v", line, problems[0])
			}
			got = "error " + e.Text
		case len(entries) == 1:
			e := entries[0]
			got = fmt.Sprintf("%v %s|%s|%s|%v|%d|%d", e.Spec.Kind, e.Spec.Value, e.File, e.Type, e.Options, e.Dump, e.Pass)
		}
		if got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", line, got, want)
		}
	}
}

// Findmnt, which is libmount, reads the same fields.
func TestFindmnt(t *testing.T) {
	testimg.Need(t, "findmnt")
	lines := debian + `LABEL="two\040words" /a\040b ext4 rw,noatime 1 2
LABEL=a\040b /tab\011 xfs
PARTUUID=00112233-01	/c	btrfs	subvol=@	0	0
server:/x /d nfs ro 0 0
/dev/vg/lv /e ext4
`
	file := filepath.Join(t.TempDir(), "fstab")
	if err := os.WriteFile(file, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(testimg.MustRun(t, "findmnt", "--raw", "-n", "--tab-file", file, "-o", "SOURCE,TARGET,FSTYPE,FREQ,PASSNO")), "\n")
	entries, problems, err := Parse(strings.NewReader(lines))
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	if len(entries) != len(want) {
		t.Fatalf("%d entries, findmnt has %d", len(entries), len(want))
	}
	for i, e := range entries {
		escape := strings.NewReplacer(" ", `\x20`, "\t", `\x09`).Replace
		got := strings.Join([]string{escape(e.Spec.String()), escape(e.File), e.Type, fmt.Sprint(e.Dump), fmt.Sprint(e.Pass)}, " ")
		if unquoted := strings.ReplaceAll(want[i], `"`, ""); got != unquoted {
			t.Errorf("got  %s\nwant %s", got, unquoted)
		}
	}
}

func TestWhat(t *testing.T) {
	for line, want := range map[string]string{
		"/dev/sda1 / ext4":                           "real",
		"UUID=1 /boot auto noauto,nofail":            "real noauto nofail",
		"/dev/vg/lv /srv xfs":                        "real",
		"LABEL=x /data fuseblk":                      "real",
		"LABEL=x /data ntfs,vfat":                    "real",
		"LABEL=x /home btrfs subvol=/@home":          "real subvolume=@home",
		"LABEL=x /home btrfs subvolid=256":           "real subvolume=id:256",
		"LABEL=x none swap":                          "swap",
		"/swapfile swap swap":                        "swap",
		"proc /proc proc":                            "",
		"tmpfs /tmp tmpfs":                           "",
		"none /dev/pts devpts":                       "",
		"/home /srv none bind":                       "bind",
		"/home /srv auto rbind":                      "bind",
		"/images/x.iso /mnt iso9660 ro,loop":         "bind",
		"/images/x.iso /mnt iso9660 loop=/dev/loop0": "bind",
		"/dev/sr0 /media/cdrom udf,iso9660 noauto":   "noauto",
		"/dev/fd0 /media/floppy auto noauto":         "noauto",
		"/dev/cdrom /cdrom auto":                     "",
		"host:/x /mnt nfs":                           "network",
		"//host/x /mnt cifs":                         "network",
		"UUID=1 /mnt ext4 _netdev":                   "network",
		"u@h:d /mnt fuse.sshfs":                      "network",
		"overlay /mnt overlay lowerdir=/a":           "",
		"share /mnt 9p trans=virtio":                 "",
	} {
		entries, _, err := Parse(strings.NewReader(line))
		if err != nil || len(entries) != 1 {
			t.Fatal(line, entries, err)
		}
		e := entries[0]
		var got []string
		for word, is := range map[string]bool{"real": e.IsReal(), "swap": e.IsSwap(), "bind": e.IsBind(),
			"network": e.IsNetwork(), "noauto": e.NoAuto(), "nofail": e.NoFail(), "subvolume=" + e.Subvolume(): e.Subvolume() != ""} {
			if is {
				got = append(got, word)
			}
		}
		words := strings.Fields(want)
		if len(got) != len(words) {
			t.Errorf("%q is %q, want %q", line, got, want)
			continue
		}
		for _, w := range words {
			if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+w+" ") {
				t.Errorf("%q is %q, want %q", line, got, want)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	if _, _, err := Parse(strings.NewReader(strings.Repeat("#", maxSize+1))); err == nil {
		t.Error("a file that is too large was read")
	}
	if _, _, err := Parse(strings.NewReader(strings.Repeat("a /\n", maxEntries+1))); err == nil {
		t.Error("too many entries were read")
	}
	bad := errors.New("bad")
	if _, _, err := Parse(iotest.ErrReader(bad)); !errors.Is(err, bad) {
		t.Error(err)
	}
}

// Whatever a file holds, what is parsed of it makes sense, and again.
func FuzzParse(f *testing.F) {
	f.Add(debian)
	f.Add("LABEL=\"a b\" /x\\040y ext4 ro,subvol=@ 1 2\n//h/s /m cifs\n/dev/nvme0n1p2 / xfs\n")
	f.Add("UUID=\"\"\" / ext4\n\\\\040 \\4 \\0401\n")
	f.Add("/dev/disk/by-label/\\x2 /\n/dev/mapper/a--b-c--d /\n/dev/sdzzzz9 / ext4\n/dev/cciss/c0d0p1 /\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, problems, err := Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		if lines := strings.Count(text, "\n") + 1; len(entries)+len(problems) > lines {
			t.Errorf("%d entries and %d problems in %d lines", len(entries), len(problems), lines)
		}
		for _, e := range entries {
			if e.IsReal() && (e.IsSwap() || !strings.HasPrefix(e.File, "/") || e.Spec.Kind == Other) {
				t.Errorf("%+v is real", e)
			}
			e.Subvolume()
			if o := SplitOptions(e.Options); len(o.Driver)+len(o.Elsewhere) > len(e.Options) || len(o.Visible()) > len(o.Driver) {
				t.Errorf("%q: %+v", e.Options, o)
			}
			if _, index, partition, ok := e.Spec.Disk(); ok && (index < 0 || partition < 0) {
				t.Errorf("%+v: %d, %d", e, index, partition)
			}
			if vg, lv, ok := e.Spec.LVM(); ok && (vg == "" || lv == "") {
				t.Errorf("%+v: %q, %q", e, vg, lv)
			}
			if e.Spec.Matches(Device{Disk: -1}) {
				t.Errorf("%+v matches nothing known", e)
			}
		}
	})
}
