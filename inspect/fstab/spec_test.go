package fstab

import (
	"fmt"
	"testing"
)

func TestDisk(t *testing.T) {
	for path, want := range map[string]string{
		"/dev/sda":           "sd 0 0",
		"/dev/sda1":          "sd 0 1",
		"/dev/sdb15":         "sd 1 15",
		"/dev/sdz1":          "sd 25 1",
		"/dev/sdaa3":         "sd 26 3",
		"/dev/sdzz3":         "sd 701 3",
		"/dev/hda1":          "hd 0 1",
		"/dev/vda2":          "vd 0 2",
		"/dev/xvdb":          "xvd 1 0",
		"/dev/xvda1":         "xvd 0 1",
		"/dev/nvme0n1p1":     "nvme 0 1",
		"/dev/nvme1n1":       "nvme 1 0",
		"/dev/mmcblk0p2":     "mmcblk 0 2",
		"/dev/cciss/c0d1p3":  "cciss 1 3",
		"/dev/md0":           "md 0 0",
		"/dev/md127p2":       "md 127 2",
		"/dev/loop3p1":       "loop 3 1",
		"/dev/nbd0p1":        "nbd 0 1",
		"/dev/dasda1":        "dasd 0 1",
		"/dev/ubda1":         "ubd 0 1",
		"/dev/sda0":          "",
		"/dev/sd":            "",
		"/dev/sd1":           "",
		"/dev/sdA1":          "",
		"/dev/sda1x":         "",
		"/dev/sdaaaa1":       "",
		"/dev/sda99999":      "",
		"/dev/nvme0n2p1":     "",
		"/dev/nvme0p1":       "",
		"/dev/nvme0n1p":      "",
		"/dev/md/root":       "",
		"/dev/mapper/vg-lv":  "",
		"/dev/vg/lv":         "",
		"/dev/disk/by-path/": "",
		"/dev/":              "",
		"/sda1":              "",
	} {
		driver, index, partition, ok := ParseSpec(path).Disk()
		got := ""
		if ok {
			got = fmt.Sprint(driver, " ", index, " ", partition)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestLVM(t *testing.T) {
	for path, want := range map[string]string{
		"/dev/vg/lv":                  "vg lv",
		"/dev/mapper/vg-lv":           "vg lv",
		"/dev/mapper/my--vg-my--lv":   "my-vg my-lv",
		"/dev/mapper/a----b-c":        "a--b c",
		"/dev/mapper/debian--vg-root": "debian-vg root",
		"/dev/mapper/luks":            "",
		"/dev/mapper/-lv":             "",
		"/dev/mapper/vg-":             "",
		"/dev/mapper/":                "",
		"/dev/md/0":                   "",
		"/dev/disk/by-id/x":           "",
		"/dev/sda1":                   "",
		"/dev/vg/lv/more":             "",
		"/vg/lv":                      "",
	} {
		vg, lv, ok := ParseSpec(path).LVM()
		got := ""
		if ok {
			got = vg + " " + lv
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestMatches(t *testing.T) {
	root := Device{UUID: "5eed0001-0000-4000-8000-000000000001", Label: "root fs", PartUUID: "00112233-02", PartLabel: "primary",
		Disk: 0, Partition: 2}
	efi := Device{UUID: "C0FF-EE15", PartUUID: "5eed0000-0000-4000-8000-00000000000f", Disk: 1, Partition: 15}
	whole := Device{Label: "data", Disk: 2}
	lv := Device{UUID: "u", Mapped: "my--vg-root", VG: "my-vg", LV: "root"}
	luks := Device{UUID: "v", Mapped: "luks-1"}
	names := []string{"root", "efi", "whole", "lv", "luks"}
	for field, want := range map[string]string{
		"UUID=5eed0001-0000-4000-8000-000000000001": "root",
		"UUID=5EED0001-0000-4000-8000-000000000001": "root",
		"/dev/disk/by-uuid/C0FF-EE15":               "efi",
		"UUID=c0ff-ee15":                            "efi",
		"UUID=":                                     "",
		"UUID=5eed0001":                             "",
		`LABEL="root fs"`:                           "root",
		"LABEL=Data":                                "",
		"LABEL=data":                                "whole",
		"LABEL=":                                    "",
		"PARTUUID=00112233-02":                      "root",
		"PARTUUID=":                                 "",
		"PARTLABEL=primary":                         "root",
		"PARTLABEL=":                                "",
		"PARTUUID=5EED0000-0000-4000-8000-00000000000F": "efi",
		"/dev/sda2":               "root",
		"/dev/vda2":               "root",
		"/dev/nvme0n1p2":          "root",
		"/dev/sda1":               "",
		"/dev/hdb15":              "efi",
		"/dev/xvdc":               "whole",
		"/dev/sda":                "",
		"/dev/md2":                "",
		"/dev/md0p2":              "",
		"/dev/md/root":            "",
		"/dev/loop2":              "",
		"/dev/nbd0p2":             "",
		"/dev/mapper/my--vg-root": "lv",
		"/dev/my-vg/root":         "lv",
		"/dev/mapper/my-vg-root":  "",
		"/dev/mapper/luks-1":      "luks",
		"ID=wwn-0x5000":           "",
		"proc":                    "",
		"":                        "",
	} {
		got := ""
		for i, d := range []Device{root, efi, whole, lv, luks} {
			if ParseSpec(field).Matches(d) {
				got += names[i]
			}
		}
		if got != want {
			t.Errorf("%s matches %q, want %q", field, got, want)
		}
	}
}

func TestCertain(t *testing.T) {
	for field, want := range map[string]bool{
		"UUID=1": true, "LABEL=a": true, "PARTUUID=1": true, "PARTLABEL=a": true,
		"/dev/mapper/luks": true, "/dev/vg/lv": true,
		"/dev/sda1": false, "/dev/nvme0n1p1": false, "ID=a": false, "tmpfs": false,
	} {
		if got := ParseSpec(field).Certain(); got != want {
			t.Errorf("%s: %v", field, got)
		}
	}
}

// A spec reads back as what it was.
func TestSpecString(t *testing.T) {
	for _, field := range []string{"UUID=1-2", "LABEL=a b", "PARTUUID=x", "PARTLABEL=y", "ID=z", "/dev/sda1", "host:/x", "/swapfile", "proc"} {
		if got := ParseSpec(field).String(); got != field {
			t.Errorf("%s became %s", field, got)
		}
	}
	if Kind(99).String() != "99" {
		t.Error(Kind(99).String())
	}
}
