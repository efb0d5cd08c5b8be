package appliance

import (
	"os"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testguest"
)

const (
	ubuntuRoot = "0b000000-0000-4000-8000-000000000002"
	ubuntuBoot = "0b000000-0000-4000-8000-000000000001"
)

// windowsSerial is that of both file systems of makeWindows.
const windowsSerial = 0x2E0B1A3A63E15840

// makeUbuntu makes an Ubuntu with an MBR, /boot on ext2 and / on XFS.
func makeUbuntu(t testing.TB, path string) {
	d := newDisk(t, path, 400*mib, `label: dos
label-id: 0x0b000000
start=2048, size=65536, type=83, bootable
start=67584, size=675840, type=83
`)
	d.format(1, 32, "mke2fs", "-q", "-F", "-t", "ext2", "-U", ubuntuBoot, "-L", "boot")
	d.format(33, 330, "mkfs.xfs", "-q", "-f", "-m", "uuid="+ubuntuRoot, "-L", "root")
	const kernel = "6.5.0-21-generic"
	fill(t, path,
		place{"/dev/sda1", "", nodes{
			"vmlinuz-" + kernel:          file("kernel 21\n"),
			"initrd.img-" + kernel:       file("initrd 21\n"),
			"vmlinuz-6.5.0-9-generic":    file("kernel 9\n"),
			"initrd.img-6.5.0-9-generic": file("initrd 9\n"),
			"vmlinuz":                    link("vmlinuz-" + kernel),
			"grub/grub.cfg":              file("set default=0\n"),
		}},
		place{"/dev/sda2", "", unix("ubuntu-test").with(nodes{
			"etc/debian_version": file("bookworm/sid\n"),
			"etc/lsb-release":    file(lines("DISTRIB_ID=Ubuntu", "DISTRIB_RELEASE=23.10", "DISTRIB_CODENAME=mantic", `DISTRIB_DESCRIPTION="Ubuntu 23.10"`)),
			"etc/os-release": file(lines(`PRETTY_NAME="Ubuntu 23.10"`, `NAME="Ubuntu"`, `VERSION_ID="23.10"`, `VERSION="23.10 (Mantic Minotaur)"`,
				`ID=ubuntu`, `ID_LIKE=debian`)),
			"etc/fstab":           file(lines("/dev/disk/by-uuid/"+ubuntuRoot+" / xfs defaults 0 1", "LABEL=boot /boot ext2 defaults 0 1")),
			"var/lib/dpkg/status": file(dpkgStatus("mantic", "13ubuntu2", "2.38-1ubuntu6.1", "5.2.15-2ubuntu1")),
			"var/log/syslog":      file("Feb 29 12:00:00 ubuntu-test systemd[1]: Started.\n"),
		})})
}

// makeFedora makes a Fedora on subvolumes of a btrfs.
func makeFedora(t testing.TB, path string) {
	check(t, os.Rename(testguest.Fedora(t, testguest.RPMDatabase(t)), path))
	settleAll(t, path, [2]string{"/dev/sda2", ""}, [2]string{"/dev/sda3", ""})
}

// makeWindows makes a Windows, on a system partition and C:.
func makeWindows(t testing.TB, path string) {
	check(t, os.Rename(testguest.Windows(t), path))
	d := disk{t, path}
	d.serial(1, 32, windowsSerial)
	d.serial(33, 96, windowsSerial)
	settleAll(t, path, [2]string{"/dev/sda1", ""}, [2]string{"/dev/sda2", ""})
}

// settleAll sets the times of all files on devices.
func settleAll(t testing.TB, image string, mounts ...[2]string) {
	t.Helper()
	testguest.Change(t, image, func(img *unboot.Image) error {
		for _, m := range mounts {
			f, err := img.Mount(m[0], unboot.Data(m[1]))
			if err != nil {
				return err
			}
			if err := settle(f); err != nil {
				return err
			}
			if err := f.Unmount(); err != nil {
				return err
			}
		}
		return nil
	})
}
