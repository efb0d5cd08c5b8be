package fstab

import (
	"strings"
	"testing"
)

const crypttab = `# <target name> <source device> <key file> <options>
sda2_crypt UUID=0b3c5a1e-0000-4000-8000-000000000001 none luks,discard
home	/dev/vg/home	/etc/key
bad
a/b UUID=1 none
home UUID=2 none
swap /dev/sda3 /dev/urandom swap
`

const mdadmConf = `# mdadm.conf
HOMEHOST <system>
ARRAY /dev/md0 metadata=1.2 name=host:0
   UUID=d8d45dc2:3a1e7d2f:00000000:00000001
array boot uuid=00000000:00000000:00000000:00000002
ARRAY /dev/md9 name=x
`

func names() *Names {
	n := &Names{}
	n.AddCrypttab(crypttab)
	n.AddMdadm(mdadmConf)
	return n
}

// What crypttab and mdadm.conf call volumes is found whatever they are called here.
func TestNames(t *testing.T) {
	root := Device{Path: "/dev/mapper/luks-0b3c5a1e", Mapped: "luks-0b3c5a1e", Disk: -1, Encrypted: &Device{UUID: "0B3C5A1E-0000-4000-8000-000000000001"}}
	home := Device{Path: "/dev/mapper/luks-2", Mapped: "luks-2", Disk: -1, Encrypted: &Device{Mapped: "vg-home", VG: "vg", LV: "home", Disk: -1}}
	array := Device{Path: "/dev/md127", Disk: -1, Array: "d8d45dc2:3a1e7d2f:00000000:00000001"}
	boot := Device{Path: "/dev/md126", Disk: -1, Array: "00000000:00000000:00000000:00000002"}
	other := Device{Path: "/dev/sda1"}
	devices := []Device{other, root, home, array, boot}
	for spec, want := range map[string]int{
		"/dev/mapper/sda2_crypt": 1, "/dev/mapper/home": 2, "/dev/md0": 3, "/dev/md/boot": 4,
		"/dev/mapper/luks-0b3c5a1e": 1, "/dev/mapper/none": -1, "/dev/md9": -1, "/dev/mapper/b": -1, "/dev/mapper/swap": -1,
	} {
		table := &Table{Entries: []Entry{{Spec: ParseSpec(spec), File: "/x", Type: "ext4"}}, Devices: devices, Root: -1, Names: *names()}
		if got := table.Resolve()[0].Device; got != want {
			t.Errorf("%s is device %d, want %d", spec, got, want)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add(crypttab)
	f.Add(mdadmConf)
	f.Add(" ARRAY\n\tx")
	f.Fuzz(func(t *testing.T, text string) {
		n := &Names{}
		n.AddCrypttab(text)
		n.AddMdadm(text)
		for path := range n.Crypt {
			if !strings.HasPrefix(path, "/dev/mapper/") {
				t.Error(path)
			}
		}
	})
}
