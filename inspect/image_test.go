package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/fstab"
	"github.com/unboot/unboot/inspect/internal/testtree"
)

// fake is a machine's disks: trees by device, and by options after an @.
type fake struct {
	devices    []Device
	trees      map[string]testtree.Files
	subvolumes map[string][]Subvolume
	mounted    int
	mounts     []string
}

func (f *fake) Devices() []Device { return f.devices }

func (f *fake) Subvolumes(device string) ([]Subvolume, error) { return f.subvolumes[device], nil }

type fakeMount struct {
	fs.ReadLinkFS
	f *fake
}

func (m fakeMount) Unmount() error { m.f.mounted--; return nil }

var errMount = errors.New("wrong fs type")

func (f *fake) Mount(device, options string) (Mounted, error) {
	name := device
	if strings.HasPrefix(options, "subvol") {
		name += "@" + options
	}
	f.mounts = append(f.mounts, name)
	files, ok := f.trees[name]
	if !ok {
		return nil, fmt.Errorf("mount %s: %w", name, errMount)
	}
	if f.mounted++; f.mounted > 1 {
		return nil, errors.New("two at a time")
	}
	return fakeMount{files.FS(), f}, nil
}

// dev makes a device from its name, its type and its other names: "UUID=1".
func dev(name, fstype string, names ...string) Device {
	d := Device{Name: name, Type: fstype}
	if _, disk, partition, ok := fstab.ParseSpec(name).Disk(); ok {
		d.Disk, d.Partition = disk, partition
	}
	if vg, lv, ok := fstab.ParseSpec(name).LVM(); ok {
		d.VG, d.LV, d.Mapped = vg, lv, vg+"-"+lv
	}
	for _, n := range names {
		switch spec := fstab.ParseSpec(n); spec.Kind {
		case fstab.UUID:
			d.UUID = spec.Value
		case fstab.Label:
			d.Label = spec.Value
		case fstab.PartUUID:
			d.PartUUID = spec.Value
		case fstab.PartLabel:
			d.PartLabel = spec.Value
		default:
			fmt.Sscanf(n, "start=%d", &d.Start)
		}
	}
	return d
}

// text writes a root in one line: "root distro mounts | file systems | drives".
func (r *Root) text() string {
	var mounts, drives []string
	for _, m := range r.Mounts {
		mounts = append(mounts, m.Dir+"="+m.Device)
	}
	for letter, d := range r.Drives {
		drives = append(drives, letter+"="+d)
	}
	slices.Sort(drives)
	return strings.TrimSpace(fmt.Sprintf("%s %s %s | %s %s", r.Device, r.Distro, strings.Join(mounts, " "), strings.Join(r.Filesystems, " "), strings.Join(drives, " ")))
}

const debianOS = "ID=debian\nVERSION_ID=12\nPRETTY_NAME=Debian\n"

func withFstab(text string) testtree.Files {
	return root(testtree.Files{"etc/os-release": debianOS, "etc/fstab": text})
}

func TestImage(t *testing.T) {
	type trees = map[string]testtree.Files
	sub := func(id uint64, path, uuid, parent string, isDefault bool) Subvolume {
		return Subvolume{id, path, uuid, parent, isDefault}
	}
	for name, c := range map[string]struct {
		devices  []Device
		trees    trees
		subs     map[string][]Subvolume
		want     []string
		problems int // of each root
	}{
		"names of every kind": {
			[]Device{dev("/dev/sda1", "ext4", "UUID=aa"), dev("/dev/sda2", "vfat", "UUID=C0FF-EE15"), dev("/dev/sda3", "ext4", "LABEL=var"),
				dev("/dev/sda4", "ext4", "PARTUUID=00112233-04"), dev("/dev/sda5", "xfs", "PARTLABEL=srv"), dev("/dev/sda6", "swap", "UUID=55"),
				dev("/dev/sdb", "ext4"), dev("/dev/sdb1", "ext4"), dev("/dev/vg/home", "ext4")},
			trees{"/dev/sda1": withFstab(`UUID=AA / ext4 defaults 0 1
UUID=c0ff-ee15 /boot/efi vfat umask=0077 0 1
LABEL=var /var ext4 noatime 0 2
PARTUUID=00112233-04 /var/log ext4
PARTLABEL=srv /srv xfs
UUID=55 none swap sw
/dev/vdb1 /data ext4
/dev/mapper/vg-home /home ext4
proc /proc proc
server:/x /net nfs
/home /export none bind
/swapfile none swap sw
`), "/dev/sda2": {}, "/dev/sda3": {}, "/dev/sda4": {}, "/dev/sda5": {}, "/dev/sdb": {}, "/dev/sdb1": {}, "/dev/vg/home": {}}, nil,
			[]string{"/dev/sda1 debian /=/dev/sda1 /var=/dev/sda3 /srv=/dev/sda5 /data=/dev/sdb1 /home=/dev/vg/home /boot/efi=/dev/sda2 /var/log=/dev/sda4" +
				" | /dev/sda1 /dev/sda2 /dev/sda3 /dev/sda4 /dev/sda5 /dev/sda6 /dev/sdb1 /dev/vg/home"}, 0,
		},
		"hda and hdc": {
			[]Device{dev("/dev/sda1", "ext3"), dev("/dev/sdb1", "ext3"), dev("/dev/sdb2", "swap")},
			trees{"/dev/sda1": withFstab("/dev/hda1 / ext3\n/dev/hdc1 /home ext3\n/dev/hdc2 swap swap\n"), "/dev/sdb1": {}}, nil,
			[]string{"/dev/sda1 debian /=/dev/sda1 /home=/dev/sdb1 | /dev/sda1 /dev/sdb1 /dev/sdb2"}, 0,
		},
		"devices that are not there": {
			[]Device{dev("/dev/sda1", "ext4")},
			trees{"/dev/sda1": withFstab("UUID=1 / ext4\nUUID=2 /a ext4\n/dev/vg/lv /b ext4\n/dev/md0 /c ext4\n/dev/sda2 /d ext4\n")}, nil,
			[]string{"/dev/sda1 debian /=/dev/sda1 /b=/dev/vg/lv /c=/dev/md0 /d=/dev/sda2 | /dev/sda1 /dev/vg/lv /dev/md0 /dev/sda2"}, 4,
		},
		"two systems": {
			[]Device{dev("/dev/sda1", "ext4", "UUID=1"), dev("/dev/sda2", "ext4"), dev("/dev/sda3", "ext4", "UUID=3"), dev("/dev/sda4", "swap", "UUID=4")},
			trees{"/dev/sda1": withFstab("UUID=3 /home ext4\nUUID=4 none swap\n"), "/dev/sda2": linuxTrees["fedora"].files.With(testtree.Files{"etc/fstab": "UUID=3 /home ext4\n"}), "/dev/sda3": {"user/": ""}}, nil,
			[]string{"/dev/sda1 debian /=/dev/sda1 /home=/dev/sda3 | /dev/sda1 /dev/sda3 /dev/sda4",
				"/dev/sda2 fedora /=/dev/sda2 /home=/dev/sda3 | /dev/sda2 /dev/sda3"}, 0,
		},
		"a /usr of its own": {
			[]Device{dev("/dev/sda1", "ext4", "UUID=1"), dev("/dev/sda2", "ext4", "UUID=2")},
			trees{"/dev/sda1": {"etc/os-release": "-> ../usr/lib/os-release", "bin": "-> usr/bin", "etc/fstab": "UUID=2 /usr ext4\n", "usr/": ""},
				"/dev/sda2": {"lib/os-release": debianOS, "bin/ls": x86_64, "share/": "", "lib/modules/6.1/kernel/": ""}}, nil,
			[]string{"/dev/sda1 debian /=/dev/sda1 /usr=/dev/sda2 | /dev/sda1 /dev/sda2"}, 0,
		},
		"coreos": {
			[]Device{dev("/dev/sda3", "ext4"), dev("/dev/sda4", "ext4"), dev("/dev/sda9", "ext4")},
			trees{"/dev/sda3": {"lib/os-release": "ID=coreos\nVERSION_ID=899.13.0\nPRETTY_NAME=CoreOS\n", "bin/ls": x86_64, "share/coreos/": ""},
				"/dev/sda4": {"lib/os-release": "ID=coreos\nVERSION_ID=991.0.0\nPRETTY_NAME=CoreOS\n", "bin/ls": x86_64, "share/coreos/": ""},
				"/dev/sda9": {"etc/coreos/": "", "etc/hostname": "core\n", "root/": "", "home/": "", "usr/": ""}}, nil,
			[]string{"/dev/sda9 coreos /=/dev/sda9 /usr=/dev/sda4 | /dev/sda9 /dev/sda4"}, 0,
		},
		"fedora on btrfs": {
			[]Device{dev("/dev/sda1", "ext4", "UUID=1"), dev("/dev/sda2", "btrfs", "UUID=2")},
			trees{"/dev/sda1": {"grub2/": ""}, "/dev/sda2": {"root/": "", "home/": ""},
				"/dev/sda2@subvol=root": linuxTrees["fedora"].files.With(testtree.Files{"etc/fstab": "UUID=2 / btrfs subvol=root,compress=zstd:1 0 0\nUUID=1 /boot ext4\nUUID=2 /home btrfs subvol=home\nUUID=2 /var btrfs subvolid=258"}),
				"/dev/sda2@subvol=home": {}, "/dev/sda2@subvol=var": {}},
			map[string][]Subvolume{"/dev/sda2": {sub(256, "root", "a", "", false), sub(257, "home", "b", "", false), sub(258, "var", "c", "", false)}},
			[]string{"btrfsvol:/dev/sda2/root fedora /=btrfsvol:/dev/sda2/root /boot=/dev/sda1 /home=btrfsvol:/dev/sda2/home /var=btrfsvol:/dev/sda2/var" +
				" | btrfsvol:/dev/sda2/root /dev/sda1 btrfsvol:/dev/sda2/home btrfsvol:/dev/sda2/var"}, 0,
		},
		"btrfs on two devices": {
			[]Device{dev("/dev/sda1", "btrfs", "UUID=2"), dev("/dev/sdb1", "btrfs", "UUID=2")},
			trees{"/dev/sda1": withFstab("UUID=2 / btrfs"), "/dev/sdb1": withFstab("UUID=2 / btrfs")}, nil,
			[]string{"/dev/sda1 debian /=/dev/sda1 | /dev/sda1"}, 0,
		},
		"suse with snapshots": {
			[]Device{dev("/dev/sda2", "btrfs", "UUID=2")},
			trees{"/dev/sda2": linuxTrees["opensuse"].files.With(testtree.Files{"etc/fstab": "UUID=2 / btrfs\nUUID=2 /home btrfs subvol=/@/home\n"}),
				"/dev/sda2@subvol=@":                       {"home/": ""},
				"/dev/sda2@subvol=@/home":                  {},
				"/dev/sda2@subvol=@/.snapshots/1/snapshot": linuxTrees["opensuse"].files,
				"/dev/sda2@subvol=@/.snapshots/2/snapshot": linuxTrees["opensuse"].files},
			map[string][]Subvolume{"/dev/sda2": {sub(256, "@", "a", "", false), sub(257, "@/home", "b", "", false),
				sub(258, "@/.snapshots/1/snapshot", "c", "", false), sub(259, "@/.snapshots/2/snapshot", "d", "c", false), sub(260, "@/.snapshots/3/snapshot", "e", "d", true)}},
			[]string{"/dev/sda2 opensuse /=/dev/sda2 /home=btrfsvol:/dev/sda2/@/home | /dev/sda2 btrfsvol:/dev/sda2/@/home"}, 0,
		},
		"ubuntu with snapshots, and a container": {
			[]Device{dev("/dev/sda2", "btrfs", "UUID=2")},
			trees{"/dev/sda2": {}, "/dev/sda2@subvol=@": linuxTrees["ubuntu"].files, "/dev/sda2@subvol=snap": linuxTrees["ubuntu"].files},
			map[string][]Subvolume{"/dev/sda2": {sub(300, "snap", "b", "a", false), sub(256, "@", "a", "", false), sub(301, "@/var/lib/docker/btrfs/subvolumes/0123", "c", "", false)}},
			[]string{"btrfsvol:/dev/sda2/@ ubuntu /=btrfsvol:/dev/sda2/@ | btrfsvol:/dev/sda2/@"}, 0,
		},
		"windows": {
			[]Device{dev("/dev/sda1", "ntfs", "PARTUUID=12345678-01", "start=1048576"), dev("/dev/sda2", "ntfs", "PARTUUID=12345678-02", "start=2097152"), dev("/dev/sdb1", "ntfs", "PARTUUID=00112233-4455-6677-8899-aabbccddeeff")},
			trees{"/dev/sda1": windowsFiles, "/dev/sda2": {}, "/dev/sdb1": {}}, nil,
			[]string{"/dev/sda1 windows /=/dev/sda1 | /dev/sda1 /dev/sdb1 C=/dev/sda1 E=/dev/sdb1"}, 0,
		},
		"freebsd on gpt": {
			[]Device{dev("/dev/sda1", "vfat"), dev("/dev/sda2", "ufs"), dev("/dev/sda3", "swap"), dev("/dev/sda4", "ufs", "PARTLABEL=var")},
			trees{"/dev/sda1": {}, "/dev/sda2": root(testtree.Files{"bin/freebsd-version": "USERLAND_VERSION=13.2\n", "etc/fstab": "/dev/ada0p2 / ufs rw 1 1\n/dev/ada0p3 none swap sw 0 0\n/dev/gpt/var /var ufs rw 2 2\nproc /proc procfs rw 0 0\n/dev/cd0 /cdrom cd9660 ro,noauto 0 0\n"}), "/dev/sda4": {}}, nil,
			[]string{"/dev/sda2 freebsd /=/dev/sda2 /var=/dev/sda4 | /dev/sda2 /dev/sda3 /dev/sda4"}, 0,
		},
		"freebsd in a slice": {
			[]Device{dev("/dev/sda5", "ufs"), dev("/dev/sda6", "swap"), dev("/dev/sda7", "ufs")},
			trees{"/dev/sda5": root(testtree.Files{"bin/freebsd-version": "USERLAND_VERSION=9.2\n", "etc/fstab": "/dev/ad4s1a / ufs rw 1 1\n/dev/ad4s1b none swap sw 0 0\n/dev/ad4s1d /var ufs rw 2 2\n"}), "/dev/sda7": {}}, nil,
			[]string{"/dev/sda5 freebsd /=/dev/sda5 /var=/dev/sda7 | /dev/sda5 /dev/sda6 /dev/sda7"}, 0,
		},
		"openbsd": {
			[]Device{dev("/dev/sda5", "ufs"), dev("/dev/sda6", "swap"), dev("/dev/sda7", "ufs")},
			trees{"/dev/sda5": root(testtree.Files{"etc/motd": "OpenBSD 7.4 (G)\n", "etc/fstab": "52fdd1ce48744600.b none swap sw\n52fdd1ce48744600.a / ffs rw 1 1\n52fdd1ce48744600.d /usr ffs rw,nodev 1 2\n"}), "/dev/sda7": {}}, nil,
			[]string{"/dev/sda5 openbsd /=/dev/sda5 /usr=/dev/sda7 | /dev/sda5 /dev/sda6 /dev/sda7"}, 0,
		},
		"netbsd": {
			[]Device{dev("/dev/sda5", "ufs"), dev("/dev/sda6", "swap"), dev("/dev/sda7", "ufs"), dev("/dev/sdb1", "ufs", "PARTLABEL=data")},
			trees{"/dev/sda5": root(testtree.Files{"etc/release": "NetBSD 9.3/amd64\n", "etc/fstab": "/dev/wd0a / ffs rw 1 1\n/dev/wd0b none swap sw,dp 0 0\n/dev/wd0e /usr ffs rw 1 2\nNAME=data /data ffs rw\nkernfs /kern kernfs rw\n"}), "/dev/sda7": {}, "/dev/sdb1": {}}, nil,
			[]string{"/dev/sda5 netbsd /=/dev/sda5 /usr=/dev/sda7 /data=/dev/sdb1 | /dev/sda5 /dev/sda6 /dev/sda7 /dev/sdb1"}, 0,
		},
		"what cannot be mounted": {
			[]Device{dev("/dev/sda1", "LVM2_member"), dev("/dev/sda2", "crypto_LUKS"), dev("/dev/sda3", "xfs"), dev("/dev/sda4", "ext4")},
			trees{"/dev/sda4": withFstab("")}, nil,
			[]string{"/dev/sda4 debian /=/dev/sda4 | /dev/sda4"}, 1,
		},
		"install media": {
			[]Device{dev("/dev/sda", "iso9660")}, trees{"/dev/sda": {".disk/info": "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST"}}, nil,
			[]string{"/dev/sda debian /=/dev/sda | /dev/sda"}, 0,
		},
		"nothing": {[]Device{dev("/dev/sda1", "ext4"), dev("/dev/sda2", "swap")}, trees{"/dev/sda1": {}}, nil, nil, 0},
	} {
		src := &fake{devices: c.devices, trees: c.trees, subvolumes: c.subs}
		roots, err := stubHives(win10()).Image(src)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, r := range roots {
			got = append(got, r.text())
			if len(r.Problems) != c.problems {
				t.Errorf("%s: problems %q", name, r.Problems)
			}
			if r.Mountpoints()["/"] != r.Device {
				t.Errorf("%s: %v", name, r.Mountpoints())
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", name, strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
		}
		if src.mounted != 0 {
			t.Errorf("%s: %d left mounted", name, src.mounted)
		}
	}
}

// What is merged from a /usr.
func TestMerge(t *testing.T) {
	src := &fake{
		devices: []Device{dev("/dev/sda1", "ext4", "UUID=1"), dev("/dev/sda2", "ext4", "UUID=2")},
		trees: map[string]testtree.Files{
			"/dev/sda1": {"etc/os-release": "-> ../usr/lib/os-release", "bin": "-> usr/bin", "etc/fstab": "UUID=2 /usr ext4\n", "etc/hostname": "split\n", "usr/": ""},
			"/dev/sda2": {"lib/os-release": debianOS + "BUILD_ID=b\n", "bin/ls": aarch64, "share/": "", "lib/modules/6.1/kernel/": ""},
		},
	}
	roots, err := Image(src)
	if err != nil || len(roots) != 1 {
		t.Fatal(roots, err)
	}
	want := &System{Type: Linux, Distro: "debian", ID: "debian", Like: []string{}, Product: "Debian", Version: "12", Major: 12, BuildID: "b",
		Hostname: "split", Arch: "aarch64", PackageFormat: "deb", PackageManagement: "apt", Format: Installed, Kernels: []string{"6.1"}}
	if !reflect.DeepEqual(roots[0].System, want) {
		t.Errorf("got  %+v\nwant %+v", roots[0].System, want)
	}
}

func TestImageErrors(t *testing.T) {
	_, err := Image(&fake{devices: []Device{dev("/dev/sda1", "ext4")}})
	if !errors.Is(err, errMount) || !strings.Contains(err.Error(), "mount /dev/sda1") {
		t.Error(err)
	}
	_, err = Image(&fake{devices: make([]Device, maxDevices+1)})
	if err == nil {
		t.Error("any number of devices")
	}
	subs := make([]Subvolume, 2*maxSubvolumes)
	for i := range subs {
		subs[i] = Subvolume{ID: uint64(i), Path: fmt.Sprint(i), UUID: "same", ParentUUID: "same"}
	}
	src := &fake{devices: []Device{dev("/dev/sda1", "btrfs")}, trees: map[string]testtree.Files{"/dev/sda1": unix}, subvolumes: map[string][]Subvolume{"/dev/sda1": subs}}
	for i := range subs {
		src.trees[fmt.Sprintf("/dev/sda1@subvol=%d", i)] = unix
	}
	roots, err := Image(src)
	if err != nil || len(roots) != 2 || len(src.mounts) != maxSubvolumes+1 {
		t.Errorf("%d roots, %d mounts, %v", len(roots), len(src.mounts), err)
	}
}

func TestMountable(t *testing.T) {
	known := func(name string) bool { return name == "/dev/sda2" || name == "/dev/vg/lv" || name == "/dev/vg" }
	for name, want := range map[string][2]string{
		"/dev/sda2":                 {"/dev/sda2", ""},
		"btrfsvol:/dev/sda2/@":      {"/dev/sda2", "@"},
		"btrfsvol:/dev/sda2/@/home": {"/dev/sda2", "@/home"},
		"btrfsvol:/dev/vg/lv/root":  {"/dev/vg/lv", "root"},
		"btrfsvol:/dev/sda2/":       {"/dev/sda2", "/"},
		"btrfsvol:/dev/sdb/root":    {},
		"/dev/sdb":                  {},
		"btrfsvol:":                 {},
	} {
		device, sub := ParseMountable(name, known)
		if device != want[0] || sub != want[1] {
			t.Errorf("%s: %q, %q", name, device, sub)
		}
		if device != "" && sub != "/" && Mountable(device, "/"+sub) != name {
			t.Errorf("%s: %s", name, Mountable(device, sub))
		}
	}
}
