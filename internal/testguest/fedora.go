package testguest

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
)

// Names and contents in [Fedora], for tests to look for.
const (
	FedoraHostname = "fedora-test"
	FedoraKernel   = "6.5.6-300.fc39.x86_64"

	fedoraESP   = "F3D0-2A39"
	fedoraBoot  = "fed00000-0000-4000-8000-000000000001"
	fedoraBtrfs = "fed00000-0000-4000-8000-000000000002"
)

// Fedora makes a disk as Fedora's installer divides it: a GPT with the EFI system
// partition, /boot on ext4, and a btrfs with a subvolume for each of / and /home. more are
// files of the root.
func Fedora(t testing.TB, more Files) string {
	t.Helper()
	image := disk(t, 420, `label: gpt
label-id: fed00000-0000-4000-8000-0000000000aa
start=2048, size=40M, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI System Partition"
size=64M
size=300M
`)
	format(t, image, 1, 40, "mkfs.vfat", "-i", "f3d02a39")
	format(t, image, 41, 64, "mke2fs", "-q", "-F", "-t", "ext4", "-U", fedoraBoot)
	format(t, image, 105, 300, "mkfs.btrfs", "-q", "-f", "-L", "fedora", "-U", fedoraBtrfs)
	root := Files{
		"bin":                    "-> usr/bin",
		"lib":                    "-> usr/lib",
		"usr/bin/bash":           ELF(),
		"usr/lib/fedora-release": "Fedora release 39 (Thirty Nine)\n",
		"usr/lib/os-release":     fedoraRelease,
		"etc/fedora-release":     "-> ../usr/lib/fedora-release",
		"etc/redhat-release":     "-> fedora-release",
		"etc/system-release":     "-> fedora-release",
		"etc/os-release":         "-> ../usr/lib/os-release",
		"etc/hostname":           FedoraHostname + "\n",
		"etc/hosts":              "127.0.0.1 localhost\n",
		"etc/fstab":              fedoraFstab,
		"var/log/messages":       "Oct 30 10:00:00 " + FedoraHostname + " systemd[1]: Started.\n",
		"var/lib/rpm":            "-> ../../usr/lib/sysimage/rpm",
		"boot/":                  "",
		"home/":                  "",
		"usr/lib/modules/" + FedoraKernel + "/modules.dep": "",
	}
	for name, text := range more {
		root[name] = text
	}
	Change(t, image, func(img *unboot.Image) error {
		for _, name := range []string{"root", "home"} {
			if err := subvolume(img, "/dev/sda3", name, ""); err != nil {
				return err
			}
		}
		for _, f := range []struct {
			device, options string
			files           Files
		}{
			{"/dev/sda1", "", Files{"EFI/fedora/grub.cfg": "configfile\n"}},
			{"/dev/sda2", "", Files{
				"vmlinuz-" + FedoraKernel:            "kernel\n",
				"initramfs-" + FedoraKernel + ".img": "initramfs\n",
				"config-" + FedoraKernel:             "CONFIG_BTRFS_FS=y\n",
				"efi/":                               "",
			}},
			{"/dev/sda3", "subvol=root", root},
			{"/dev/sda3", "subvol=home", Files{"user/.bashrc": "# .bashrc\n"}},
		} {
			if err := fill(img, f.device, f.options, f.files); err != nil {
				return err
			}
		}
		return nil
	})
	return image
}

// Snapshot makes a snapshot of the root of a [Fedora], as tools for snapshots leave it.
func Snapshot(t testing.TB, image string) {
	t.Helper()
	Change(t, image, func(img *unboot.Image) error { return subvolume(img, "/dev/sda3", "root-before-update", "root") })
}

// subvolume makes a subvolume of the top level, empty or as a snapshot of another one.
func subvolume(img *unboot.Image, device, name, of string) error {
	f, err := img.Mount(device)
	if err != nil {
		return err
	}
	defer f.Unmount()
	v := f.View()
	dir, err := v.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer v.CloseFd(dir)
	arg := make([]byte, 4096) // struct btrfs_ioctl_vol_args of linux/btrfs.h
	copy(arg[8:], name)
	const create, snapshot = 0x5000940e, 0x50009401
	request := uint(create)
	if of != "" {
		source, err := v.Open("/"+of, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer v.CloseFd(source)
		binary.NativeEndian.PutUint64(arg, uint64(source))
		request = snapshot
	}
	_, err = v.Ioctl(dir, request, arg)
	return err
}

const fedoraFstab = `UUID=` + fedoraBtrfs + ` / btrfs subvol=root,compress=zstd:1 0 0
UUID=` + fedoraBoot + ` /boot ext4 defaults 1 2
UUID=` + fedoraESP + ` /boot/efi vfat umask=0077,shortname=winnt 0 2
UUID=` + fedoraBtrfs + ` /home btrfs subvol=home,compress=zstd:1 0 0
`

const fedoraRelease = `NAME="Fedora Linux"
VERSION="39 (Cloud Edition)"
ID=fedora
VERSION_ID=39
VERSION_CODENAME=""
PLATFORM_ID="platform:f39"
PRETTY_NAME="Fedora Linux 39 (Cloud Edition)"
VARIANT="Cloud Edition"
VARIANT_ID=cloud
`
