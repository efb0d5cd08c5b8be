package testimg

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The Debian disk is laid out as Debian's own cloud images are: the root is
// partition 1 and lies after the boot partitions 14 and 15, so that it can grow.
const (
	debianSize = 2 << 30

	// DebianRootOffset is where the root file system starts, in bytes.
	DebianRootOffset = 262144 * 512
	// DebianRootSize is its size in bytes, up to the backup GPT.
	DebianRootSize = debianSize - DebianRootOffset - 1<<20
	// DebianESPOffset is where the EFI system partition starts, in bytes.
	DebianESPOffset = 8192 * 512
	// DebianESPSize is its size in bytes.
	DebianESPSize = (262144 - 8192) * 512

	// DebianRootUUID is the UUID of the root file system.
	DebianRootUUID = "5eed0001-0000-4000-8000-000000000001"
	// DebianESPUUID is the UUID (serial number) of the ESP's file system.
	DebianESPUUID = "C0FF-EE15"
	// DebianHostname is what /etc/hostname says.
	DebianHostname = "unboot-debian"

	suite = "bookworm"
)

const debianTable = `label: gpt
label-id: 5EED0000-0000-4000-8000-000000000000
first-lba: 34
sector-size: 512
1 : start=262144, size=%d, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=5EED0000-0000-4000-8000-000000000001, name="root"
14 : start=2048, size=6144, type=21686148-6449-6E6F-744E-656564454649, uuid=5EED0000-0000-4000-8000-00000000000E, name="bios"
15 : start=8192, size=253952, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=5EED0000-0000-4000-8000-00000000000F, name="esp"
`

// DebianKinds are the disks that [Debian] can make, by their root file system.
// In btrfs-subvol the root is the subvolume @rootfs, where Debian's installer
// puts it, and /home is @home.
var DebianKinds = []string{"ext4", "xfs", "btrfs", "btrfs-subvol"}

// Debian returns the host path of a shared disk image of 2 GiB (about 350 MB of
// data) as a Debian cloud image is: GPT with a BIOS boot partition, an EFI system
// partition, and a minimal Debian on the root file system, which is one of
// [DebianKinds]. /etc/fstab names both file systems by UUID.
//
// To make it the first time takes root, mmdebstrap, a Debian mirror and a minute.
func Debian(t testing.TB, kind string) string {
	t.Helper()
	image, err := BuildDebian(kind)
	check(t, err)
	return shared(t, image)
}

// BuildDebian is [Debian] outside of tests.
func BuildDebian(kind string) (string, error) {
	fstype, _, subvol := strings.Cut(kind, "-")
	var options string
	mkfs := map[string][]string{
		"ext4":  {"mke2fs", "-q", "-F", "-t", "ext4", "-U", DebianRootUUID},
		"xfs":   {"mkfs.xfs", "-q", "-f", "-m", "uuid=" + DebianRootUUID},
		"btrfs": {"mkfs.btrfs", "-q", "-f", "-U", DebianRootUUID},
	}[fstype]
	switch {
	case mkfs == nil:
		return "", fmt.Errorf("no recipe for Debian on %q", kind)
	case subvol:
		options = "defaults,subvol=@rootfs"
	case fstype == "ext4":
		options = "discard,errors=remount-ro"
	default:
		options = "defaults"
	}
	key := fmt.Sprint(kind, suite, debianTable, mkfs, options)
	tools := []string{"mmdebstrap", "sfdisk", "mkfs.vfat", "mcopy", "tar", mkfs[0]}
	return cached("debian-"+kind, key, tools, asRoot(func(out, work string) error {
		tarball, err := debianTar(debianPackages)
		if err != nil {
			return err
		}
		d := &debianDisk{out: out, work: work, fstype: fstype, mkfs: mkfs, subvol: subvol, options: options}
		return d.make(tarball)
	}))
}

// asRoot returns what makes a file as root, in a folder of its own, as [cached] wants it.
func asRoot(make func(out, work string) error) func(out string) error {
	return func(out string) error {
		if os.Geteuid() != 0 {
			return &Missing{"root"}
		}
		work, remove, err := scratch()
		if err != nil {
			return err
		}
		defer remove()
		return make(out, work)
	}
}

// runMkfs makes the root file system. mkfs.btrfs refuses a UUID that a block device of the
// host has, as when another test has mounted a Debian by a loop device: that is waited for.
func (d *debianDisk) runMkfs(img string) error {
	for tries := 0; ; tries++ {
		_, err := Run(d.mkfs[0], append(d.mkfs[1:], img)...)
		if err == nil || tries == 300 || !strings.Contains(err.Error(), "non-unique UUID") {
			return err
		}
		time.Sleep(time.Second)
	}
}

// debianPackages are those of [Debian], besides those that every one has.
const debianPackages = "systemd-boot-efi,netbase,ifupdown,ca-certificates"

// debianTar returns the cached archive of a root file system with packages.
func debianTar(packages string) (string, error) {
	args := []string{"--variant=minbase", "--mode=root", "--format=tar", "--quiet", "--include=" + packages, suite}
	return cached("debian-root.tar", fmt.Sprint(args), []string{"mmdebstrap"}, func(out string) error {
		if os.Geteuid() != 0 {
			return &Missing{"root"}
		}
		_, err := Run("mmdebstrap", append(args, out)...)
		return err
	})
}

// debianDisk is one disk in the making.
type debianDisk struct {
	out, work string
	fstype    string
	mkfs      []string
	subvol    bool
	options   string // of / in fstab
}

func (d *debianDisk) make(tarball string) error {
	if err := blank(d.out, debianSize); err != nil {
		return err
	}
	table := fmt.Sprintf(debianTable, DebianRootSize/512)
	if _, err := runIn([]byte(table), "sfdisk", "-q", d.out); err != nil {
		return err
	}
	// mke2fs fills the file system itself. The others are mounted: their
	// own ways to fill one lose hard links, times or attributes.
	if d.fstype == "ext4" {
		root := filepath.Join(d.work, "root")
		if err := os.Mkdir(root, 0o755); err != nil {
			return err
		}
		if err := d.unpack(tarball, root); err != nil {
			return err
		}
		args := append(d.mkfs[1:], "-d", root, "-E", "offset="+strconv.Itoa(DebianRootOffset),
			d.out, strconv.Itoa(DebianRootSize/1024)+"k")
		if _, err := Run(d.mkfs[0], args...); err != nil {
			return err
		}
	} else if err := d.fillMounted(tarball); err != nil {
		return err
	}
	return d.makeESP()
}

// fillMounted makes the root file system in a file of its own, fills it over the
// host's driver, and copies it to its place.
func (d *debianDisk) fillMounted(tarball string) error {
	img, mnt := filepath.Join(d.work, "root.img"), filepath.Join(d.work, "mnt")
	if err := os.Mkdir(mnt, 0o755); err != nil {
		return err
	}
	if err := blank(img, DebianRootSize); err != nil {
		return err
	}
	if err := d.runMkfs(img); err != nil {
		return err
	}
	umount, err := loopMount(img, d.fstype, "", mnt)
	if err != nil {
		return err
	}
	err = func() error {
		root := mnt
		if d.subvol {
			for _, name := range []string{"@rootfs", "@home"} {
				if _, err := Run("btrfs", "subvolume", "create", filepath.Join(mnt, name)); err != nil {
					return err
				}
			}
			root = filepath.Join(mnt, "@rootfs")
		}
		return d.unpack(tarball, root)
	}()
	if uerr := umount(); err == nil {
		err = uerr
	}
	if err != nil {
		return err
	}
	return d.insert(img, DebianRootOffset)
}

// insert copies a file of a file system to its place on the disk.
func (d *debianDisk) insert(img string, off int64) error {
	src, err := os.Open(img)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(d.out, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := copySparse(dst, off, src, 0, st.Size()); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}

// unpack unpacks Debian and writes the files that an installer would.
func (d *debianDisk) unpack(tarball, root string) error {
	if _, err := Run("tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf", tarball); err != nil {
		return err
	}
	fstab := fmt.Sprintf("# /etc/fstab: static file system information.\n"+
		"# <file system> <mount point> <type> <options> <dump> <pass>\n"+
		"UUID=%s\t/\t%s\t%s\t0\t1\n", DebianRootUUID, d.fstype, d.options)
	if d.subvol {
		fstab += fmt.Sprintf("UUID=%s\t/home\tbtrfs\tdefaults,subvol=@home\t0\t0\n", DebianRootUUID)
	}
	fstab += fmt.Sprintf("UUID=%s\t/boot/efi\tvfat\tumask=0077\t0\t1\n"+
		"tmpfs\t/tmp\ttmpfs\tdefaults,nosuid,nodev\t0\t0\n", DebianESPUUID)
	if err := os.MkdirAll(filepath.Join(root, "boot/efi"), 0o755); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"etc/fstab":       fstab,
		"etc/hostname":    DebianHostname + "\n",
		"etc/hosts":       "127.0.0.1\tlocalhost\n127.0.1.1\t" + DebianHostname + "\n",
		"etc/machine-id":  "5eed0000000040008000000000000000\n",
		"etc/resolv.conf": "nameserver 192.0.2.53\n", // not the build host's
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeESP makes the EFI system partition, with a real boot loader in it: the one
// that the root file system brings.
func (d *debianDisk) makeESP() error {
	img := filepath.Join(d.work, "esp.img")
	if err := blank(img, DebianESPSize); err != nil {
		return err
	}
	serial := strings.ReplaceAll(DebianESPUUID, "-", "")
	if _, err := Run("mkfs.vfat", "-F", "32", "-n", "ESP", "--invariant", "-i", serial, img); err != nil {
		return err
	}
	tarball, err := debianTar(debianPackages)
	if err != nil {
		return err
	}
	loader := "./usr/lib/systemd/boot/efi/systemd-bootx64.efi"
	if _, err := Run("tar", "-C", d.work, "--strip-components=6", "-xf", tarball, loader); err != nil {
		return err
	}
	conf := filepath.Join(d.work, "loader.conf")
	if err := os.WriteFile(conf, []byte("timeout 3\n"), 0o644); err != nil {
		return err
	}
	if _, err := Run("mmd", "-i", img, "::/EFI", "::/EFI/BOOT", "::/EFI/systemd", "::/loader"); err != nil {
		return err
	}
	efi := filepath.Join(d.work, filepath.Base(loader))
	for _, c := range [][2]string{
		{efi, "::/EFI/BOOT/BOOTX64.EFI"},
		{efi, "::/EFI/systemd/systemd-bootx64.efi"},
		{conf, "::/loader/loader.conf"},
	} {
		if _, err := Run("mcopy", "-i", img, c[0], c[1]); err != nil {
			return err
		}
	}
	return d.insert(img, DebianESPOffset)
}
