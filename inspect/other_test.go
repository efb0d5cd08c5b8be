package inspect

import (
	"reflect"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
)

// otherTrees are systems that are not Linux.
var otherTrees = map[string]struct {
	files                  testtree.Files
	summary, product, host string
}{
	"freebsd": {root(testtree.Files{"etc/freebsd-update.conf": "", "bin/freebsd-version": "#!/bin/sh\nUSERLAND_VERSION=\"13.2-RELEASE-p4\"\n", "etc/rc.conf": "hostname=\"beastie.example.com\"\nsshd_enable=YES\n", "etc/os-release": "-> ../var/run/os-release"}),
		"freebsd freebsd 13.2 /", "FreeBSD 13.2-RELEASE-p4", "beastie.example.com"},
	"freebsd-motd": {root(testtree.Files{"etc/freebsd-update.conf": "", "etc/motd": "FreeBSD 9.0-RELEASE (GENERIC) #0: Tue Jan 3\n\nWelcome!\n", "etc/rc.conf": "hostname='old'"}),
		"freebsd freebsd 9.0 /", "FreeBSD 9.0-RELEASE", "old"},
	"freebsd-header": {root(testtree.Files{"etc/freebsd-update.conf": "", "usr/include/sys/param.h": "#undef __FreeBSD_version\n#define __FreeBSD_version 1400097\t/* Master */\n"}),
		"freebsd freebsd 14.0 /", "FreeBSD 14.0", ""},
	"netbsd": {root(testtree.Files{"netbsd": "", "etc/release": "NetBSD 9.3/amd64\nBuild settings:\n", "etc/rc.conf": "hostname=flag\n"}),
		"netbsd netbsd 9.3 pkgsrc/pkgsrc", "NetBSD 9.3", "flag"},
	"openbsd": {root(testtree.Files{"bsd": "", "etc/motd": "OpenBSD 7.4 (GENERIC.MP) #1397: Tue Oct 10\n", "etc/myname": "puffy.example.org\n"}),
		"openbsd openbsd 7.4 /", "OpenBSD 7.4", "puffy.example.org"},
	"hurd": {root(testtree.Files{"hurd/console": "", "hurd/hello": "", "hurd/null": "", "etc/hostname": "gnu\n", "etc/debian_version": "10.4\n", "bin/ls": i386}),
		"hurd debian 10.4 deb/apt", "Debian GNU/Linux 10.4", "gnu"},
	"minix": {root(testtree.Files{"service/vm": "", "etc/version": "3.3.0\n", "etc/hostname.file": "tanenbaum\n"}),
		"minix  3.3 /", "MINIX 3.3.0", "tanenbaum"},
	"freedos": {testtree.Files{"kernel.sys": "x", "command.com": "x", "fdos/version.fdi": "FreeDOS 1.3\n"}, "dos freedos 1.3 /", "FreeDOS", ""},
	"macos": {testtree.Files{"System/Library/CoreServices/SystemVersion.plist": "<?xml version=\"1.0\"?>\n<plist version=\"1.0\"><dict>\n\t<key>ProductBuildVersion</key>\n\t<string>10K549</string>\n\t<key>ProductName</key>\n\t<string>Mac OS X</string>\n\t<key>ProductVersion</key>\n\t<string>10.6.8</string>\n</dict></plist>\n"},
		"macos macos 10.6 /", "Mac OS X 10.6.8", ""},
	"macos-bare": {testtree.Files{"System/Library/CoreServices/Finder.app/Contents/": ""}, "macos macos 0.0 /", "macOS", ""},
	"msdos":      {testtree.Files{"IO.SYS": "x", "MSDOS.SYS": "x", "COMMAND.COM": "x"}, "dos msdos 0.0 /", "MS-DOS", ""},
}

func TestOtherTrees(t *testing.T) {
	for name, want := range otherTrees {
		s, err := Tree(want.files.FS())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := summary(s); got != want.summary || s.Product != want.product || s.Hostname != want.host || s.Format != Installed {
			t.Errorf("%s: %s, %q, %q, %s", name, got, s.Product, s.Hostname, s.Format)
		}
	}
}

func TestMedia(t *testing.T) {
	type files = testtree.Files
	for name, want := range map[string]struct {
		files testtree.Files
		want  System
	}{
		"debian netinst": {files{".disk/info": "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST with firmware 20240210-11:27"},
			System{Type: Linux, Distro: "debian", Version: "12.5.0", Major: 12, Minor: 5, Codename: "bookworm", Arch: "x86_64", NetInst: true}},
		"debian live": {files{".disk/info": "Official Debian GNU/Linux Live 12.5.0 gnome 2024-02-10T11:48", "live/filesystem.squashfs": ""},
			System{Type: Linux, Distro: "debian", Version: "12.5.0", Major: 12, Minor: 5, Live: true}},
		"ubuntu": {files{".disk/info": "Ubuntu 22.04.4 LTS \"Jammy Jellyfish\" - Release amd64 (20240220)", "casper/filesystem.squashfs": ""},
			System{Type: Linux, Distro: "ubuntu", Version: "22.04.4", Major: 22, Minor: 4, Codename: "jammy", Arch: "x86_64", Live: true}},
		"fedora": {files{".discinfo": "1699426020.000000\n39\nx86_64\n", ".treeinfo": "[general]\narch = x86_64\nfamily = Fedora\nvariant = Server\nversion = 39\n", "Packages/": ""},
			System{Type: Linux, Distro: "fedora", Version: "39", Major: 39, Variant: "Server", Arch: "x86_64"}},
		"rhel 5": {files{".discinfo": "1161736.69\nRed Hat Enterprise Linux Server 5.11\nx86_64\n1\n"},
			System{Type: Linux, Distro: "rhel", Version: "5.11", Major: 5, Minor: 11, Arch: "x86_64"}},
		"opensuse": {files{"media.1/products": "/ openSUSE-Leap 15.5-1\n"},
			System{Type: Linux, Distro: "opensuse", Version: "15.5", Major: 15, Minor: 5}},
		"arch":   {files{"arch/version": "2024.01.01\n", "arch/x86_64/airootfs.sfs": ""}, System{Type: Linux, Distro: "archlinux", Version: "2024.01.01", Major: 2024, Minor: 1, Arch: "x86_64", Live: true, NetInst: true}},
		"alpine": {files{".alpine-release": "alpine-standard-3.19.0 231207\n", "apks/x86_64/a.apk": ""}, System{Type: Linux, Distro: "alpinelinux", Version: "3.19.0", Major: 3, Minor: 19, Arch: "x86_64", Live: true}},
		"windows 10": {files{"sources/install.wim": "", "setup.exe": pe(0x8664), "bootmgr": ""},
			System{Type: Windows, Distro: "windows", Arch: "x86_64"}},
		"windows xp": {files{"I386/TXTSETUP.SIF": "[SetupData]\r\nMajorVersion = 5\r\nMinorVersion = 1\r\n[Strings]\r\nproductname=\"Microsoft Windows XP Professional\"\r\n"},
			System{Type: Windows, Distro: "windows", Major: 5, Minor: 1, Arch: "i386"}},
	} {
		s, err := Tree(want.files.FS())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := *s
		if got.Format != Installer || got.Product == "" {
			t.Errorf("%s: %+v", name, got)
		}
		got.Format, got.Product, got.PackageFormat, got.PackageManagement, got.Windows = "", "", "", "", nil
		if !reflect.DeepEqual(got, want.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, want.want)
		}
	}
}

func TestHostname(t *testing.T) {
	type files = testtree.Files
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		files testtree.Files
		want  string
	}{
		{files{"etc/hostname": "a.example.com\n"}, "a.example.com"},
		{files{"etc/hostname": "# comment\n\n  b  \n"}, "b"},
		{files{"etc/hostname": "", "etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME=\"c.d\"\n"}, "c.d"},
		{files{"etc/HOSTNAME": "slack.example.net\n"}, "slack.example.net"},
		{files{"etc/SuSE-release": "openSUSE 12.3\nVERSION = 12.3\n", "etc/HOSTNAME": "linux.site\n", "etc/hostname": "other"}, "linux.site"},
		{files{"etc/conf.d/hostname": "# Set to the hostname\nhostname=\"tux\"\n"}, "tux"},
		{files{"etc/rc.conf": "HOSTNAME=\"archie\"\n"}, "archie"},
		{files{"etc/hostname": "-> /etc/name", "etc/name": "linked"}, "linked"},
		{files{"etc/hostname": "-> hostname"}, ""},
		{files{"etc/hostname": "fifo"}, ""},
		{files{"etc/hostname": "$(reboot)"}, ""},
		{files{"etc/hostname": long}, ""},
		{files{"etc/hostname": "na\x00me\x1b[31m"}, "name[31m"},
		{files{}, ""},
	} {
		s, err := Tree(root(c.files).FS())
		if err != nil || s.Hostname != c.want {
			t.Errorf("%v: %q, %v", c.files, s.Hostname, err)
		}
	}
}

// pe returns the head of a Windows program.
func pe(machine uint16) string {
	b := make([]byte, 0x100)
	copy(b, "MZ")
	b[0x3c] = 0x80
	copy(b[0x80:], "PE\x00\x00")
	b[0x84], b[0x85] = byte(machine), byte(machine>>8)
	return string(b)
}

func TestFileArch(t *testing.T) {
	for want, heads := range map[string][]string{
		"x86_64":  {x86_64, pe(0x8664)},
		"i386":    {i386, pe(0x14c)},
		"aarch64": {aarch64, pe(0xaa64)},
		"arm":     {elf(1, 1, 40), pe(0x1c4)},
		"ppc":     {elf(1, 2, 20)},
		"ppc64":   {elf(2, 2, 21)},
		"ppc64le": {elf(2, 1, 21)},
		"s390":    {elf(1, 2, 22)},
		"s390x":   {elf(2, 2, 22)},
		"sparc":   {elf(1, 2, 2)},
		"sparc64": {elf(2, 2, 43)},
		"ia64":    {elf(2, 1, 50), pe(0x200)},
		"riscv64": {elf(2, 1, 243)},
		"riscv32": {elf(1, 1, 243)},
		"mipsel":  {elf(1, 1, 8)},
		"mips64":  {elf(2, 2, 8)},
		"":        {"", "#!/bin/sh", "\x7fELF", "MZ", pe(0x8664)[:0x82], "MZ" + strings.Repeat("\xff", 100), elf(2, 1, 255)},
	} {
		for _, head := range heads {
			if got := FileArch([]byte(head)); got != want {
				t.Errorf("%.20q: %q, want %q", head, got, want)
			}
		}
	}
}
