package fstab

import (
	"fmt"
	"strings"
	"testing"
)

// at makes a device of a disk, from 0, and a partition, with an identity.
func at(disk, partition int, identity ...string) Device {
	d := Device{Disk: disk, Partition: partition, Path: fmt.Sprintf("/dev/sd%c%d", 'a'+disk, partition)}
	for _, id := range identity {
		switch spec := ParseSpec(id); spec.Kind {
		case UUID:
			d.UUID = spec.Value
		case Label:
			d.Label = spec.Value
		case PartUUID:
			d.PartUUID = spec.Value
		default:
			d.Pool = id
		}
	}
	return d
}

// TestResolve has the fstabs of machines of which an image has not all disks, or has them
// under other names. The first device is the root's. What is wanted is the number of each
// entry's device, - for none, and ! for none because it is another's.
func TestResolve(t *testing.T) {
	cloud := []Device{at(0, 1, "LABEL=root", "UUID=r"), at(0, 15, "UUID=efi")}
	one := []Device{at(0, 1, "UUID=r"), at(0, 2, "UUID=h"), at(0, 3)}
	two := []Device{at(0, 1, "UUID=r"), at(0, 2, "UUID=h"), at(1, 1), at(1, 2)}
	whole := []Device{at(0, 0, "UUID=r"), at(1, 0)}
	for name, c := range map[string]struct {
		devices []Device
		fstab   string
		want    string
	}{
		"Azure's scratch disk":                       {cloud, "LABEL=root / ext4|UUID=efi /boot/efi vfat|/dev/sdb1 /mnt auto defaults,nofail,x-systemd.requires=cloud-init.service,comment=cloudconfig", "0 1 -"},
		"Azure's, by another name":                   {cloud, "LABEL=root / ext4|/dev/disk/cloud/azure_resource-part1 /mnt auto defaults,nofail", "0 -"},
		"EC2's":                                      {cloud, "LABEL=root / ext4|/dev/xvdb1 /mnt auto defaults,nofail,comment=cloudconfig", "0 -"},
		"EC2's, of the root's disk":                  {cloud, "LABEL=root / ext4|/dev/sda2 /mnt ext3|/dev/sda3 swap swap", "0 - -"},
		"OpenStack's":                                {whole, "UUID=r / ext4|/dev/vdb /mnt auto defaults,nofail,comment=cloudconfig|/dev/vdc /data ext4 nofail", "0 - -"},
		"a disk that is not there":                   {one, "UUID=r / ext4|/dev/sdb1 /tmp ext4", "0 -"},
		"not there, and a root by position":          {one, "/dev/sda1 / ext4|/dev/sdb1 /tmp ext4|/dev/sdc1 /mnt ext4 nofail", "0 - -"},
		"the root by the name of another driver":     {one, "/dev/sda1 / ext4|/dev/vda1 /tmp ext4|/dev/hdb1 /mnt ext4", "0 - -"},
		"the root by position, and the same by UUID": {one, "UUID=r / ext4|/dev/sda1 /tmp ext4|/dev/vda1 /mnt ext4", "0 ! -"},
		"the root by two identities":                 {cloud, "LABEL=root / ext4|UUID=r /tmp ext4|PARTUUID=none /mnt ext4", "0 ! -"},
		"the root twice by the same":                 {cloud, "UUID=r / ext4|UUID=R /again ext4", "0 0"},
		"no entry of the root":                       {one, "/dev/sda1 /mnt ext4|UUID=r /tmp ext4|/dev/sda2 /home ext4", "! ! 1"},
		"one by identity and by position":            {one, "/dev/sda1 / ext4|/dev/sda2 /tmp ext4|UUID=h /home ext4|/dev/sda3 none swap sw", "0 ! 1 2"},
		"one by identity, swap by position":          {one, "UUID=r / ext4|UUID=h none swap sw|/dev/vda2 /tmp ext4|/dev/vda3 /srv ext4", "0 1 ! 2"},
		"one twice by the same position":             {one, "UUID=r / ext4|/dev/sda3 /a ext4|/dev/sda3 /b ext4|/dev/hda3 /c ext4", "0 2 2 -"},
		"subvolumes":                                 {one, "UUID=r / btrfs subvol=@|/dev/sda1 /home btrfs subvol=@home|UUID=r /top btrfs subvolid=5|UUID=r /default btrfs", "0 0 0 0"},
		"every kind of disk is the first":            {one, "/dev/mmcblk0p1 / ext4|/dev/mmcblk0p3 /srv ext4|/dev/mmcblk1p1 /sd ext4|/dev/mmcblk0boot0 /boot auto", "0 2 - -"},
		"nvme":                                       {two, "/dev/nvme0n1p1 / ext4|/dev/nvme1n1p2 /data ext4|/dev/nvme0n2p1 /x ext4|/dev/nvme1n1 /y ext4", "0 3 - -"},
		"the second disk is there":                   {two, "UUID=r / ext4|/dev/sdb1 /data ext4 nofail|/dev/sdb2 /tmp ext4", "0 2 3"},
		"there, but not for the cloud":               {two, "UUID=r / ext4|/dev/sdb1 /mnt auto nofail,comment=cloudconfig", "0 -"},
		"hda and hdc":                                {two, "/dev/hda1 / ext3|/dev/hdc1 /home ext3|/dev/hdc2 swap swap", "0 2 3"},
		"hdc, and the root by identity":              {two, "UUID=r / ext3|/dev/hdc1 /home ext3", "0 -"},
		"hdc need not be there":                      {two, "/dev/hda1 / ext3|/dev/hdc1 /home ext3 nofail", "0 -"},
		"hdc is for CDs":                             {whole, "/dev/hda / ext3|/dev/hdc /media/cdrom0 udf,iso9660 user,noauto", "0 -"},
		"the root's disk is the second":              {two, "/dev/sdb1 / ext4|/dev/sdb2 /home ext4|/dev/sda1 /tmp ext4|/dev/sda2 /x ext4", "0 1 - -"},
		"the root's disk was the third":              {two, "/dev/sdc1 / ext4|/dev/sdd1 /data ext4|/dev/sde1 /more ext4", "0 2 -"},
		"drivers are not counted together":           {two, "/dev/vda1 / ext4|/dev/sda1 /tmp ext4|/dev/sdc1 /x ext4", "0 - -"},
		"the root was elsewhere":                     {two, "/dev/sda5 / ext4|/dev/sdc1 /tmp ext4", "- -"},
		"a copy of the root's disk":                  {append([]Device{at(1, 1, "UUID=r"), at(1, 2, "UUID=h")}, at(0, 1, "UUID=r"), at(0, 2, "UUID=h")), "UUID=r / ext4|UUID=h /home ext4", "0 1"},
		"a pool":                                     {[]Device{at(0, 1, "UUID=r", "pool"), at(1, 1, "UUID=r", "pool"), at(1, 2)}, "LABEL=x / btrfs|/dev/sdb1 /tmp btrfs|/dev/sdb1 /home btrfs subvol=h|/dev/sdb2 /srv ext4", "- ! 1 2"},
		"volumes":                                    {[]Device{{VG: "vg", LV: "root", Mapped: "vg-root", Disk: -1}, at(0, 1), {Mapped: "md0", Path: "/dev/md0", Disk: -1}}, "/dev/mapper/vg-root / ext4|/dev/vg/root /tmp ext4|/dev/sda1 /boot ext4|/dev/md0 /srv xfs|/dev/mapper/swap-1 none swap", "0 ! 1 2 -"},
		"what was encrypted":                         {one, "/dev/mapper/sda3_crypt / ext4|/dev/mapper/luks-r /tmp ext4|/dev/disk/by-id/dm-uuid-CRYPT-LUKS2-r /x ext4|/dev/disk/by-path/pci-0000:00:1f.2-ata-1-part3 /y ext4", "- - - -"},
		"labels that OpenBSD gives to disks":         {[]Device{at(0, 5), at(0, 6), at(1, 5)}, "0123456789abcdef.a / ffs|0123456789abcdef.b none swap sw|fedcba9876543210.a /tmp ffs", "0 1 -"},
		"the disk that NetBSD was started from":      {[]Device{at(1, 5), at(0, 6), at(1, 6)}, "ROOT.a / ffs|ROOT.b none swap sw|/dev/wd0b /x ffs", "0 2 1"},
		"FreeBSD on the disk of another computer":    {[]Device{at(0, 2), at(0, 3), at(1, 1)}, "/dev/ada1p2 / ufs|/dev/ada1p3 none swap sw|/dev/ada0p1 /tmp ufs", "0 1 -"},
	} {
		entries, problems, err := Parse(strings.NewReader(strings.ReplaceAll(c.fstab, "|", "\n")))
		if err != nil || len(problems) > 0 {
			t.Fatal(name, problems, err)
		}
		var got []string
		for _, m := range (&Table{Entries: entries, Devices: c.devices}).Resolve() {
			switch {
			case m.Device >= 0:
				got = append(got, fmt.Sprint(m.Device))
			case m.Why != "":
				got = append(got, "!")
			default:
				got = append(got, "-")
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s:\n%s\ngot  %s\nwant %s", name, strings.ReplaceAll(c.fstab, "|", "\n"), got, c.want)
		}
	}
}

// TestSubvolumes has both ways to name one, in the notations of the kernel.
func TestSubvolumes(t *testing.T) {
	for options, want := range map[string]string{
		"defaults":                      " 0 false",
		"subvol=@":                      "@ 0 false",
		"subvol=/@/home/":               "@/home 0 false",
		"subvol=//@/./home/../srv":      "@/srv 0 false",
		"subvol=/":                      "/ 0 false",
		"subvol=":                       "/ 0 false",
		"subvolid=256":                  "id:256 256 true",
		"subvolid=5":                    "id:5 5 true",
		"subvolid=0":                    "id:0 5 true",
		"subvolid=0x100":                "id:0x100 256 true",
		"subvolid=0400":                 "id:0400 256 true",
		"subvolid=@":                    "id:@ 1 true",
		"subvolid=":                     "id: 1 true",
		"subvolid=1_0":                  "id:1_0 1 true",
		"subvolid=-1":                   "id:-1 1 true",
		"subvolid=257,subvol=/@":        "@ 257 true",
		"subvol=/a,subvol=/b,ro":        "b 0 false",
		"subvolid=256,subvolid=257":     "id:257 257 true",
		"subvolid=99999999999999999999": "id:99999999999999999999 1 true",
	} {
		entries, _, err := Parse(strings.NewReader("LABEL=x /x btrfs " + options))
		if err != nil || len(entries) != 1 {
			t.Fatal(entries, err)
		}
		id, ok := entries[0].SubvolumeID()
		if got := fmt.Sprint(entries[0].Subvolume(), " ", id, " ", ok); got != want {
			t.Errorf("%s: %s, want %s", options, got, want)
		}
	}
}

// Whatever a file holds, an entry has one of the devices, and the root is given to no one
// who does not name it as the root's entry does.
func FuzzResolve(f *testing.F) {
	f.Add("LABEL=root / ext4\n/dev/sdb1 /tmp ext4 nofail\n/dev/hdc1 /x ext4\n")
	f.Add("/dev/hda1 / ext4\n/dev/hdc1 /tmp ext4\nROOT.a /x ffs\n0123456789abcdef.a /y ffs\n/dev/dk0 /z ffs\n")
	f.Add("UUID=r / btrfs subvol=@\nUUID=r /a btrfs subvolid=0\n/dev/vg/lv /b ext4\n")
	devices := []Device{at(0, 1, "LABEL=root", "UUID=r"), at(0, 2), at(1, 1), {VG: "vg", LV: "lv", Disk: -1}, at(1, 0, "LABEL=data")}
	f.Fuzz(func(t *testing.T, text string) {
		entries, _, err := Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		var root []Spec
		for i := range entries {
			if entries[i].IsRoot() {
				spec, _, _, _ := position(entries[i].Spec)
				root = append(root, spec)
			}
		}
		meanings := (&Table{Entries: entries, Devices: devices}).Resolve()
		for i, m := range meanings {
			e := &entries[i]
			if m.Device < -1 || m.Device >= len(devices) {
				t.Fatalf("%+v: %+v", e, m)
			}
			if spec, _, _, _ := position(e.Spec); m.Device == 0 && !e.IsRoot() && e.Subvolume() == "" &&
				(len(root) == 0 || !spec.same(root[len(root)-1])) {
				t.Errorf("%+v has the device of the root", e)
			}
		}
	})
}
