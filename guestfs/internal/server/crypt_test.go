package server

import (
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
)

// TestCryptsetup opens encrypted devices under names, closes them, and says what is wrong in
// cryptsetup's words.
func TestCryptsetup(t *testing.T) {
	c := fixture(t, "stack-lvm-on-luks")
	const device = "/dev/sda2"
	open := func(name, key string) *rpc.CryptsetupOpenArgs {
		return &rpc.CryptsetupOpenArgs{Device: device, Key: key, Mapname: name}
	}
	wantWords(t, c, rpc.ProcLvs, &rpc.None{}, "")
	wantError(t, c, rpc.ProcCryptsetupOpen, open("one", "wrong"), "cryptsetup exited with status 2: No key available with this passphrase.")
	wantWords(t, c, rpc.ProcListDmDevices, &rpc.None{}, "")
	wantOK(t, c, rpc.ProcCryptsetupOpen, open("one", "secret"))
	wantWords(t, c, rpc.ProcListDmDevices, &rpc.None{}, "/dev/mapper/one")
	wantError(t, c, rpc.ProcCryptsetupOpen, open("one", "secret"), "/dev/mapper/one: device already exists")
	wantError(t, c, rpc.ProcCryptsetupOpen, open("two", "secret"), "cryptsetup exited with status 5: Cannot use device /dev/sda2 which is in use .*")
	wantOK(t, c, rpc.ProcLvmScan, &rpc.LvmScanArgs{Activate: true})
	wantWords(t, c, rpc.ProcPvs, &rpc.None{}, "/dev/mapper/one")
	wantWords(t, c, rpc.ProcLvs, &rpc.None{}, "/dev/vg/root /dev/vg/swap")
	wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/mapper/one"}, "LVM2_member")
	if got, err := hashtable(c, rpc.ProcListFilesystems, &rpc.None{}); err != nil || got != "/dev/sda1: ext4\n/dev/vg/root: ext4\n/dev/vg/swap: swap\n" {
		t.Errorf("list_filesystems: %v\n%s", err, got)
	}
	wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: "/dev/vg/root", Mountpoint: "/"})
	wantWords(t, c, rpc.ProcHead, &rpc.HeadArgs{Path: "/hello.txt"}, hello(t, "stack-lvm-on-luks", "/dev/vg/root"))
	const busy = "cryptsetup exited with status 5: Device one is still in use."
	wantError(t, c, rpc.ProcCryptsetupClose, &rpc.CryptsetupCloseArgs{Device: "/dev/mapper/one"}, busy)
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantError(t, c, rpc.ProcLuksClose, &rpc.LuksCloseArgs{Device: "/dev/mapper/one"}, busy)
	wantOK(t, c, rpc.ProcVgActivate, &rpc.VgActivateArgs{Volgroups: []string{"vg"}})
	wantOK(t, c, rpc.ProcCryptsetupClose, &rpc.CryptsetupCloseArgs{Device: "/dev/mapper/one"})
	wantWords(t, c, rpc.ProcListDmDevices, &rpc.None{}, "")
	wantWords(t, c, rpc.ProcLvs, &rpc.None{}, "")
	wantOK(t, c, rpc.ProcLvmScan, &rpc.LvmScanArgs{Activate: true})
	wantWords(t, c, rpc.ProcListDmDevices, &rpc.None{}, "")

	wantOK(t, c, rpc.ProcLuksOpenRo, &rpc.LuksOpenRoArgs{Device: device, Key: "secret", Mapname: "ro"})
	wantNumber(t, c, rpc.ProcBlockdevGetro, &rpc.BlockdevGetroArgs{Device: "/dev/mapper/ro"}, 1)
	wantError(t, c, rpc.ProcCryptsetupClose, &rpc.CryptsetupCloseArgs{Device: "/dev/sda1"}, "/dev/sda1: you must call this on the /dev/mapper device created by cryptsetup-open")
	wantError(t, c, rpc.ProcCryptsetupOpen, &rpc.CryptsetupOpenArgs{Device: "/dev/sda1", Key: "x", Mapname: "x"}, "ext4: unknown encrypted device type")
	for kind, want := range map[string]string{
		"luks": "LUKS", "bitlk": "BITLK",
	} {
		a := &rpc.CryptsetupOpenArgs{Device: "/dev/sda1", Key: "x", Mapname: "x", Crypttype: rpc.Some(kind)}
		wantError(t, c, rpc.ProcCryptsetupOpen, a, "cryptsetup exited with status 1: Device /dev/sda1 is not a valid "+want+" device.")
	}
	a := &rpc.CryptsetupOpenArgs{Device: "/dev/sda1", Key: "x", Mapname: "x", Crypttype: rpc.Some("none")}
	wantError(t, c, rpc.ProcCryptsetupOpen, a, "cryptsetup exited with status 1: Unrecognized metadata device type none.")
}

// hello returns what is in the file hello.txt of a fixture's file system, or of its first.
func hello(t *testing.T, name, node string) string {
	t.Helper()
	for _, c := range testvol.Contents(t, name) {
		if c.Node == node || node == "" {
			return c.Hello
		}
	}
	t.Fatalf("%s has no %s", name, node)
	return ""
}

// TestCryptStacks opens what lies on a logical volume, and on an array below.
func TestCryptStacks(t *testing.T) {
	for name, stack := range map[string]struct{ device, root, node string }{
		"stack-luks-on-lvm": {"/dev/vg/secret", "/dev/mapper/secret", ""},
		"stack-md-luks-lvm": {"/dev/md127", "/dev/vg/root", "/dev/vg/root"},
		"stack-lvm-on-luks": {"/dev/sda2", "/dev/vg/root", "/dev/vg/root"},
	} {
		t.Run(name, func(t *testing.T) {
			c := fixture(t, name)
			wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: stack.device}, "crypto_LUKS")
			if got, err := hashtable(c, rpc.ProcListFilesystems, &rpc.None{}); err != nil || strings.Contains(got, stack.device) {
				t.Errorf("list_filesystems: %v\n%s", err, got)
			}
			wantOK(t, c, rpc.ProcLuksOpen, &rpc.LuksOpenArgs{Device: stack.device, Key: "secret", Mapname: "secret"})
			wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: stack.root, Mountpoint: "/"})
			wantWords(t, c, rpc.ProcHead, &rpc.HeadArgs{Path: "/hello.txt"}, hello(t, name, stack.node))
		})
	}
}

// TestLUKSFormat makes a LUKS device and changes its keys; cryptsetup finds what was made.
func TestLUKSFormat(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "cryptsetup")
	disk := image(t, 24)
	c := connect(t, Drive{Path: disk})
	const device = "/dev/sda"
	wantError(t, c, rpc.ProcLuksAddKey, &rpc.LuksAddKeyArgs{Device: device, Key: "one", Newkey: "two", Keyslot: 1}, "Device /dev/sda is not a valid LUKS device.")
	wantOK(t, c, rpc.ProcLuksFormat, &rpc.LuksFormatArgs{Device: device, Key: "one"})
	wantOK(t, c, rpc.ProcLuksOpen, &rpc.LuksOpenArgs{Device: device, Key: "one", Mapname: "m"})
	wantOK(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext4", Device: "/dev/mapper/m"})
	wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/mapper/m"}, "ext4")
	wantError(t, c, rpc.ProcLuksFormat, &rpc.LuksFormatArgs{Device: device, Key: "x"}, "Device /dev/sda is in use. Cannot proceed with format operation.")
	wantOK(t, c, rpc.ProcLuksAddKey, &rpc.LuksAddKeyArgs{Device: device, Key: "one", Newkey: "two", Keyslot: 5})
	wantError(t, c, rpc.ProcLuksAddKey, &rpc.LuksAddKeyArgs{Device: device, Key: "none", Newkey: "two", Keyslot: 6}, "No key available with this passphrase.")
	wantOK(t, c, rpc.ProcLuksKillSlot, &rpc.LuksKillSlotArgs{Device: device, Key: "two", Keyslot: 0})
	wantOK(t, c, rpc.ProcLuksClose, &rpc.LuksCloseArgs{Device: "/dev/mapper/m"})
	wantError(t, c, rpc.ProcLuksOpen, &rpc.LuksOpenArgs{Device: device, Key: "one", Mapname: "m"}, ".*No key available with this passphrase.")
	wantOK(t, c, rpc.ProcLuksOpen, &rpc.LuksOpenArgs{Device: device, Key: "two", Mapname: "m"})
	wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/mapper/m"}, "ext4")
	wantOK(t, c, rpc.ProcSync, &rpc.None{})
	dump := testimg.MustRun(t, "cryptsetup", "luksDump", disk)
	if !strings.Contains(dump, "  5: luks2") || strings.Contains(dump, "  0: luks2") {
		t.Errorf("luksDump:\n%s", dump)
	}
	testimg.MustRun(t, "sh", "-c", "printf two | cryptsetup open --test-passphrase --key-file=- "+disk)
}

// TestInspectEncrypted finds a system on a logical volume in a LUKS device, whose /boot is
// outside, on a drive that keeps what is written.
func TestInspectEncrypted(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.ext2")
	c := connect(t, Drive{Path: testvol.Writable(t, "stack-lvm-on-luks")[0], Format: "raw"})
	wantOK(t, c, rpc.ProcCryptsetupOpen, &rpc.CryptsetupOpenArgs{Device: "/dev/sda2", Key: "secret", Mapname: "luks"})
	wantOK(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext2", Device: "/dev/vg/root"}) // with room for more files
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/vg/root", Mountpoint: "/"})
	for _, dir := range []string{"/etc", "/bin", "/boot", "/usr", "/var/log", "/root"} {
		wantOK(t, c, rpc.ProcMkdirP, &rpc.MkdirPArgs{Path: dir})
	}
	for name, content := range map[string]string{
		"/etc/os-release":     "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian 12\"\n",
		"/etc/debian_version": "12.1\n",
		"/etc/hostname":       "locked\n",
		"/etc/crypttab":       "luks /dev/sda2 none luks\n",
		"/etc/fstab":          "/dev/vg/root / ext4 defaults 0 1\n/dev/sda1 /boot ext4 defaults 0 1\n/dev/mapper/vg-swap none swap sw 0 0\n",
	} {
		wantOK(t, c, rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: name, Content: []byte(content)})
	}
	const root = "/dev/vg/root"
	wantWords(t, c, rpc.ProcInspectOs, &rpc.None{}, root)
	a := &rpc.InspectGetTypeArgs{Root: root}
	wantText(t, c, rpc.ProcInspectGetDistro, a, "debian")
	wantText(t, c, rpc.ProcInspectGetHostname, a, "locked")
	if got, err := hashtable(c, rpc.ProcInspectGetMountpoints, a); err != nil || got != "/: /dev/vg/root\n/boot: /dev/sda1\n" {
		t.Errorf("mountpoints: %v\n%s", err, got)
	}
	wantWords(t, c, rpc.ProcInspectGetFilesystems, a, "/dev/vg/root /dev/sda1 /dev/vg/swap")
	wantWords(t, c, rpc.ProcMounts, &rpc.None{}, "")
}
