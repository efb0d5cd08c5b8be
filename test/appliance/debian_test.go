package appliance

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testguest"
)

// Identifiers on the disk of makeDebian.
const (
	debianRoot = "deb10000-0000-4000-8000-000000000005"
	debianBoot = "deb10000-0000-4000-8000-000000000003"
	debianSwap = "deb10000-0000-4000-8000-000000000004"
	debianESP  = "DEB1-0002"
)

const debianTable = `label: gpt
label-id: DEB10000-0000-4000-8000-000000000000
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, uuid=DEB10000-0000-4000-8000-0000000000A1, name="bios"
start=4096, size=81920, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=DEB10000-0000-4000-8000-0000000000A2, name="esp"
start=86016, size=131072, uuid=DEB10000-0000-4000-8000-0000000000A3, name="boot"
start=217088, size=16384, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F, uuid=DEB10000-0000-4000-8000-0000000000A4
start=233472, size=262144, uuid=DEB10000-0000-4000-8000-0000000000A5, name="root"
`

// makeDebian makes a server with Debian 12: a GPT, with the EFI system partition, /boot,
// swap space and / in partitions of their own.
func makeDebian(t testing.TB, path string) {
	d := newDisk(t, path, 244*mib, debianTable)
	d.format(2, 40, "mkfs.vfat", "--invariant", "-F", "32", "-n", "ESP", "-i", strings.ReplaceAll(debianESP, "-", ""))
	d.format(42, 64, ext4(debianBoot, "boot")...)
	d.format(106, 8, "mkswap", "-q", "-U", debianSwap)
	d.format(114, 128, ext4(debianRoot, "root")...)
	fill(t, path,
		place{"/dev/sda2", "", nodes{"EFI/debian/grub.cfg": file("configfile\n")}},
		place{"/dev/sda3", "", debianBootFiles},
		place{"/dev/sda5", "", debianFiles})
}

func ext4(uuid, label string) []string {
	// Initialized now: otherwise a kernel would do that in the background later.
	return []string{"mke2fs", "-q", "-F", "-t", "ext4", "-U", uuid, "-L", label,
		"-E", "hash_seed=" + uuid + ",lazy_itable_init=0,lazy_journal_init=0"}
}

const debianKernel = "6.1.0-18-amd64"

var debianBootFiles = nodes{
	"vmlinuz-" + debianKernel:    file("kernel\n"),
	"initrd.img-" + debianKernel: file("initrd\n"),
	"config-" + debianKernel:     file("CONFIG_EXT4_FS=y\n"),
	"System.map-" + debianKernel: file("ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n").perm(0o600),
	"grub/grub.cfg":              file(lines("set default=0", "menuentry 'Debian GNU/Linux' {", "\tlinux /vmlinuz-"+debianKernel+" root=UUID="+debianRoot+" ro quiet", "}")),
	"efi":                        dir(0o700),
}

// unix is what Linux distributions have in common.
func unix(hostname string) nodes {
	return nodes{
		"bin":                              link("usr/bin"),
		"sbin":                             link("usr/sbin"),
		"lib":                              link("usr/lib"),
		"usr/bin/bash":                     file(testguest.ELF()).perm(0o755),
		"usr/bin/passwd":                   file(testguest.ELF()).perm(0o755 | fs.ModeSetuid),
		"usr/sbin/init":                    link("../bin/bash"),
		"dev":                              dir(0o755),
		"proc":                             dir(0o555),
		"sys":                              dir(0o555),
		"run":                              dir(0o755),
		"boot":                             dir(0o755),
		"home":                             dir(0o755),
		"mnt":                              dir(0o755),
		"tmp":                              dir(0o777 | fs.ModeSticky),
		"tmp/left over":                    file("left over\n"),
		"var/tmp":                          dir(0o777 | fs.ModeSticky),
		"etc/hostname":                     file(hostname + "\n"),
		"etc/hosts":                        file(lines("127.0.0.1\tlocalhost", "127.0.1.1\t"+hostname)),
		"etc/machine-id":                   file("0123456789abcdef0123456789abcdef\n").perm(0o444),
		"etc/passwd":                       file(lines("root:x:0:0:root:/root:/bin/bash", "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin", "user:x:1000:1000:A User,,,:/home/user:/bin/bash")),
		"etc/passwd-":                      file(lines("root:x:0:0:root:/root:/bin/bash", "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin")),
		"etc/group":                        file(lines("root:x:0:", "daemon:x:1:", "user:x:1000:")),
		"etc/shadow":                       file(lines("root:*:19600:0:99999:7:::", "daemon:*:19600:0:99999:7:::", "user:!:19600:0:99999:7:::")).perm(0o640).owned(0, 42),
		"etc/gshadow":                      file(lines("root:*::", "daemon:*::", "user:!::")).perm(0o640).owned(0, 42),
		"etc/localtime":                    link("/usr/share/zoneinfo/Etc/UTC"),
		"etc/nsswitch.conf":                file("passwd: files\ngroup: files\n"),
		"etc/skel/.profile":                file("# ~/.profile\n"),
		"home/user":                        dir(0o750).owned(1000, 1000),
		"home/user/.profile":               file("# ~/.profile\n").owned(1000, 1000),
		"home/user/a b'c.txt":              file("odd name\n").owned(1000, 1000),
		"home/user/notes.txt~":             file("old\n").owned(1000, 1000),
		"home/user/.bash_history":          file("ls\n").perm(0o600).owned(1000, 1000),
		"home/user/.ssh":                   dir(0o700).owned(1000, 1000),
		"home/user/.ssh/authorized_keys":   file("ssh-ed25519 AAAA user@example\n").perm(0o600).owned(1000, 1000),
		"home/user/größe":                  file("Unicode\n").owned(1000, 1000),
		"root":                             dir(0o700),
		"root/.bash_history":               file("id\n").perm(0o600),
		"root/.bashrc":                     file("# ~/.bashrc\n"),
		"etc/ssh/sshd_config":              file(lines("Port 22", "#PermitRootLogin prohibit-password", "UsePAM yes")),
		"etc/ssh/ssh_host_ed25519_key":     file("key\n").perm(0o600),
		"etc/ssh/ssh_host_ed25519_key.pub": file("ssh-ed25519 AAAA\n"),
		"usr/share/zoneinfo/Etc/UTC":       file("TZif2"),
		"usr/share/zoneinfo/Europe/Berlin": file("TZif2 CET"),
		"var/lib/systemd/random-seed":      file(strings.Repeat("seed", 128)).perm(0o600),
		"var/log/wtmp":                     file("wtmp").perm(0o664).owned(0, 43),
		"var/spool/cron/crontabs/user":     file("@daily true\n").perm(0o600).owned(1000, 101),
		"var/mail/user":                    file("From root\n").owned(1000, 8),
		"var/cache/apt/archives/partial":   dir(0o700),
		"var/lib/dhcp/dhclient.leases":     file("lease {\n}\n"),
		"var/tmp/x":                        file("x\n"),
		"etc/udev/rules.d/70-persistent-net.rules": file("# net\n"),
		"srv/fifo":    {mode: fs.ModeNamedPipe | 0o600},
		"srv/numbers": file(numbers(2000)),
		"srv/empty":   file(""),
		"srv/broken":  link("nowhere"),
	}
}

// numbers are the lines of seq(1).
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, i+1)
	}
	return b.String()
}

var debianFiles = unix("debian-test").with(nodes{
	"etc/debian_version": file("12.5\n"),
	"etc/os-release":     link("../usr/lib/os-release"),
	"usr/lib/os-release": file(lines(`PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"`, `NAME="Debian GNU/Linux"`, `VERSION_ID="12"`,
		`VERSION="12 (bookworm)"`, `VERSION_CODENAME=bookworm`, `ID=debian`, `HOME_URL="https://www.debian.org/"`)),
	"etc/fstab": file(lines("# /etc/fstab: static file system information.",
		"UUID="+debianRoot+"\t/\text4\terrors=remount-ro\t0\t1", "UUID="+debianBoot+"\t/boot\text4\tdefaults\t0\t2",
		"UUID="+debianESP+"\t/boot/efi\tvfat\tumask=0077\t0\t1", "UUID="+debianSwap+"\tnone\tswap\tsw\t0\t0")),
	"etc/default/grub":        file("GRUB_TIMEOUT=5\n"),
	"etc/network/interfaces":  file("auto lo\niface lo inet loopback\n"),
	"etc/timezone":            file("Etc/UTC\n"),
	"var/lib/dpkg/status":     file(dpkgStatus("bookworm", "12.4+deb12u5", "2.36-9+deb12u4", "5.2.15-2+b2")),
	"var/log/syslog":          file(lines("Feb 29 12:00:00 debian-test systemd[1]: Started.", "Feb 29 12:00:01 debian-test kernel: hello")).perm(0o640).owned(0, 4),
	"var/log/auth.log":        file("Feb 29 12:00:00 debian-test sshd[1]: hello\n").perm(0o640).owned(0, 4),
	"var/log/apt/history.log": file("\nStart-Date: 2024-02-29\n"),
	"usr/lib/modules/" + debianKernel + "/modules.dep": file(""),
})

// dpkgStatus is the list of a few packages.
func dpkgStatus(_, base, libc, bash string) string {
	var b strings.Builder
	for _, p := range []struct{ name, version, state, arch, source, summary string }{
		{"base-files", base, "install ok installed", "amd64", "", "Debian base system miscellaneous files"},
		{"bash", bash, "install ok installed", "amd64", "bash (5.2.15-2)", "GNU Bourne Again SHell"},
		{"libc6", libc, "install ok installed", "amd64", "glibc", "GNU C Library: Shared libraries"},
		{"nano", "7.2-1", "deinstall ok config-files", "amd64", "", "small, friendly text editor"},
		{"passwd", "1:4.13+dfsg1-1+b1", "install ok installed", "amd64", "shadow (1:4.13+dfsg1-1)", "change and administer password and group data"},
		{"tzdata", "2024a-0+deb12u1", "install ok installed", "all", "", "time zone and daylight-saving time data"},
	} {
		fmt.Fprintf(&b, "Package: %s\nStatus: %s\nPriority: required\nSection: admin\nInstalled-Size: 340\nMaintainer: Nobody <nobody@example.com>\nArchitecture: %s\n",
			p.name, p.state, p.arch)
		if p.source != "" {
			fmt.Fprintf(&b, "Source: %s\n", p.source)
		}
		fmt.Fprintf(&b, "Version: %s\nDescription: %s\n More of %s,\n in two lines.\nHomepage: https://example.com/%s\n\n", p.version, p.summary, p.name, p.name)
	}
	return b.String()
}
