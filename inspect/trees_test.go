package inspect

import "github.com/unboot/unboot/inspect/internal/testtree"

// elf returns the head of a program for a machine of elf(5).
func elf(class, data, machine byte) string {
	b := make([]byte, 64)
	copy(b, "\x7fELF")
	b[4], b[5], b[6] = class, data, 1
	b[16], b[18] = 2, machine
	if data == 2 {
		b[16], b[17], b[18], b[19] = 0, 2, 0, machine
	}
	return string(b)
}

var (
	x86_64  = elf(2, 1, 62)
	aarch64 = elf(2, 1, 183)
	i386    = elf(1, 1, 3)
)

// unix is what every root has.
var unix = testtree.Files{"bin/ls": x86_64, "etc/fstab": "", "etc/hosts": "127.0.0.1 localhost\n"}

func root(more testtree.Files) testtree.Files { return unix.With(more) }

func release(name, text string) testtree.Files { return root(testtree.Files{"etc/" + name: text}) }

func osRelease(text string) testtree.Files { return release("os-release", text) }

// wantTree is what a tree should be found to be.
type wantTree struct {
	files    testtree.Files
	summary  string // type distro major.minor format/management
	product  string
	codename string
}

var linuxTrees = map[string]wantTree{
	"alma":         {osRelease("NAME=\"AlmaLinux\"\nVERSION=\"9.3 (Shamrock Pampas Cat)\"\nID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.3\"\nPRETTY_NAME=\"AlmaLinux 9.3 (Shamrock Pampas Cat)\"\n"), "linux almalinux 9.3 rpm/dnf", "AlmaLinux 9.3 (Shamrock Pampas Cat)", "Shamrock Pampas Cat"},
	"alpine":       {osRelease("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.18.4\nPRETTY_NAME=\"Alpine Linux v3.18\"\n"), "linux alpinelinux 3.18 apk/apk", "Alpine Linux v3.18", ""},
	"alpine-old":   {release("alpine-release", "2.7.9\n"), "linux alpinelinux 2.7 apk/apk", "Alpine Linux 2.7.9", ""},
	"alt":          {osRelease("NAME=\"starter kit\"\nVERSION=\"p10 (Hypericum)\"\nID=altlinux\nVERSION_ID=p10\nPRETTY_NAME=\"ALT Starterkit (Hypericum)\"\n"), "linux altlinux 10.0 rpm/apt", "ALT Starterkit (Hypericum)", "Hypericum"},
	"alt-old":      {release("altlinux-release", "ALT Linux 7.0.5 Centaurus (Centaurus)\n"), "linux altlinux 7.0 rpm/apt", "ALT Linux 7.0.5 Centaurus (Centaurus)", "Centaurus"},
	"arch":         {osRelease("NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n"), "linux archlinux 0.0 pacman/pacman", "Arch Linux", ""},
	"arch-old":     {release("arch-release", ""), "linux archlinux 0.0 pacman/pacman", "Arch Linux", ""},
	"buildroot":    {osRelease("NAME=Buildroot\nVERSION=2023.02.1\nID=buildroot\nVERSION_ID=2023.02.1\nPRETTY_NAME=\"Buildroot 2023.02.1\"\n"), "linux buildroot 2023.2 /", "Buildroot 2023.02.1", ""},
	"br-old":       {release("br-version", "2012.05\n"), "linux buildroot 2012.5 /", "Buildroot 2012.05", ""},
	"centos8s":     {osRelease("NAME=\"CentOS Stream\"\nVERSION=\"9\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"9\"\nPRETTY_NAME=\"CentOS Stream 9\"\n").With(testtree.Files{"etc/centos-release": "CentOS Stream release 9\n"}), "linux centos 9.0 rpm/dnf", "CentOS Stream 9", ""},
	"centos7":      {osRelease("NAME=\"CentOS Linux\"\nVERSION=\"7 (Core)\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n").With(testtree.Files{"etc/centos-release": "CentOS Linux release 7.9.2009 (Core)\n", "etc/redhat-release": "-> centos-release"}), "linux centos 7.9 rpm/yum", "CentOS Linux 7 (Core)", "Core"},
	"centos6":      {release("centos-release", "CentOS release 6.10 (Final)\n").With(testtree.Files{"etc/redhat-release": "-> centos-release"}), "linux centos 6.10 rpm/yum", "CentOS release 6.10 (Final)", "Final"},
	"centos5":      {release("redhat-release", "CentOS release 5.11 (Final)\n"), "linux centos 5.11 rpm/yum", "CentOS release 5.11 (Final)", "Final"},
	"cirros":       {release("cirros/version", "0.3.4\n"), "linux cirros 0.3 /", "CirrOS 0.3.4", ""},
	"coreos":       {osRelease("NAME=CoreOS\nID=coreos\nVERSION=899.13.0\nVERSION_ID=899.13.0\nBUILD_ID=2016-03-23-0120\nPRETTY_NAME=\"CoreOS 899.13.0\"\n"), "linux coreos 899.13 /", "CoreOS 899.13.0", ""},
	"debian":       {osRelease("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n").With(testtree.Files{"etc/debian_version": "12.5\n"}), "linux debian 12.5 deb/apt", "Debian GNU/Linux 12 (bookworm)", "bookworm"},
	"debian-sid":   {osRelease("PRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\nNAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=trixie\nID=debian\n").With(testtree.Files{"etc/debian_version": "trixie/sid\n"}), "linux debian 0.0 deb/apt", "Debian GNU/Linux trixie/sid", "trixie"},
	"debian-old":   {release("debian_version", "6.0.10\n"), "linux debian 6.0 deb/apt", "Debian GNU/Linux 6.0.10", ""},
	"debian-lsb":   {release("lsb-release", "DISTRIB_ID=Debian\nDISTRIB_RELEASE=5.0.1\nDISTRIB_CODENAME=lenny\nDISTRIB_DESCRIPTION=\"Debian GNU/Linux 5.0.1 (lenny)\"\n"), "linux debian 5.0 deb/apt", "Debian GNU/Linux 5.0.1 (lenny)", "lenny"},
	"fedora":       {osRelease("NAME=\"Fedora Linux\"\nVERSION=\"39 (Server Edition)\"\nID=fedora\nVERSION_ID=39\nVERSION_CODENAME=\"\"\nPRETTY_NAME=\"Fedora Linux 39 (Server Edition)\"\nVARIANT_ID=server\n"), "linux fedora 39.0 rpm/dnf", "Fedora Linux 39 (Server Edition)", "Server Edition"},
	"fedora-old":   {release("redhat-release", "Fedora release 14 (Laughlin)\n"), "linux fedora 14.0 rpm/yum", "Fedora release 14 (Laughlin)", "Laughlin"},
	"fedora-core":  {release("fedora-release", "Fedora Core release 4 (Stentz)\n"), "linux fedora 4.0 rpm/yum", "Fedora Core release 4 (Stentz)", "Stentz"},
	"flatcar":      {osRelease("NAME=\"Flatcar Container Linux by Kinvolk\"\nID=flatcar\nID_LIKE=coreos\nVERSION_ID=3510.2.8\nPRETTY_NAME=\"Flatcar 3510.2.8\"\n"), "linux coreos 3510.2 /", "Flatcar 3510.2.8", ""},
	"frugalware":   {release("frugalware-release", "Frugalware 1.6 (Fermus)\n"), "linux frugalware 1.6 pacman/pacman", "Frugalware 1.6 (Fermus)", "Fermus"},
	"gentoo":       {osRelease("NAME=Gentoo\nID=gentoo\nPRETTY_NAME=\"Gentoo Linux\"\nVERSION_ID=\"2.14\"\n"), "linux gentoo 2.14 ebuild/portage", "Gentoo Linux", ""},
	"gentoo-old":   {release("gentoo-release", "Gentoo Base System release 2.1\n"), "linux gentoo 2.1 ebuild/portage", "Gentoo Base System release 2.1", ""},
	"kali":         {osRelease("PRETTY_NAME=\"Kali GNU/Linux Rolling\"\nNAME=\"Kali GNU/Linux\"\nVERSION=\"2023.4\"\nID=kali\nID_LIKE=debian\nVERSION_ID=\"2023.4\"\nVERSION_CODENAME=\"kali-rolling\"\n"), "linux kalilinux 2023.4 deb/apt", "Kali GNU/Linux Rolling", "kali-rolling"},
	"kylin":        {osRelease("NAME=\"Kylin\"\nID=kylin\nID_LIKE=debian\nVERSION_ID=\"V10\"\nPRETTY_NAME=\"Kylin V10 SP1\"\n"), "linux kylin 10.0 deb/apt", "Kylin V10 SP1", ""},
	"mageia":       {release("mageia-release", "Mageia release 4 (Official) for x86_64\n").With(testtree.Files{"etc/redhat-release": "-> mageia-release"}), "linux mageia 4.0 rpm/urpmi", "Mageia release 4 (Official) for x86_64", "Official"},
	"mandriva":     {release("mandriva-release", "Mandriva Linux release 2010.2 (Official) for i586\n"), "linux mandriva 2010.2 rpm/urpmi", "Mandriva Linux release 2010.2 (Official) for i586", "Official"},
	"meego":        {release("meego-release", "MeeGo release 1.2 (MeeGo)\n"), "linux meego 1.2 rpm/yum", "MeeGo release 1.2 (MeeGo)", "MeeGo"},
	"mint":         {osRelease("NAME=\"Linux Mint\"\nVERSION=\"21.2 (Victoria)\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\nPRETTY_NAME=\"Linux Mint 21.2\"\nVERSION_ID=\"21.2\"\nVERSION_CODENAME=victoria\n"), "linux linuxmint 21.2 deb/apt", "Linux Mint 21.2", "victoria"},
	"neokylin":     {release("neokylin-release", "NeoKylin Linux release 6.5 (Beryllium)\n"), "linux neokylin 6.5 rpm/yum", "NeoKylin Linux release 6.5 (Beryllium)", "Beryllium"},
	"openmandriva": {osRelease("NAME=\"OpenMandriva Lx\"\nVERSION=\"4.3 (Dysprosium)\"\nID=\"openmandriva\"\nVERSION_ID=\"4.3\"\nPRETTY_NAME=\"OpenMandriva Lx 4.3\"\n"), "linux openmandriva 4.3 rpm/dnf", "OpenMandriva Lx 4.3", "Dysprosium"},
	"opensuse":     {osRelease("NAME=\"openSUSE Leap\"\nVERSION=\"15.5\"\nID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.5\"\nPRETTY_NAME=\"openSUSE Leap 15.5\"\n"), "linux opensuse 15.5 rpm/zypper", "openSUSE Leap 15.5", ""},
	"tumbleweed":   {osRelease("NAME=\"openSUSE Tumbleweed\"\nID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\nVERSION_ID=\"20231215\"\nPRETTY_NAME=\"openSUSE Tumbleweed\"\n"), "linux opensuse 20231215.0 rpm/zypper", "openSUSE Tumbleweed", ""},
	"opensuse-old": {release("SuSE-release", "openSUSE 12.3 (x86_64)\nVERSION = 12.3\nCODENAME = Dartmouth\n"), "linux opensuse 12.3 rpm/zypper", "openSUSE 12.3 (x86_64)", "Dartmouth"},
	"oracle":       {osRelease("NAME=\"Oracle Linux Server\"\nVERSION=\"8.8\"\nID=\"ol\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"8.8\"\nPRETTY_NAME=\"Oracle Linux Server 8.8\"\n"), "linux oraclelinux 8.8 rpm/dnf", "Oracle Linux Server 8.8", ""},
	"oracle-old":   {release("oracle-release", "Oracle Linux Server release 6.5\n").With(testtree.Files{"etc/redhat-release": "Red Hat Enterprise Linux Server release 6.5 (Santiago)\n"}), "linux oraclelinux 6.5 rpm/yum", "Oracle Linux Server release 6.5", ""},
	"pardus":       {release("pardus-release", "Pardus 2011.2 Cervus elaphus\n"), "linux pardus 2011.2 pisi/pisi", "Pardus 2011.2 Cervus elaphus", ""},
	"pld":          {release("pld-release", "3.0 PLD Linux (Th)\n"), "linux pldlinux 3.0 rpm/", "3.0 PLD Linux (Th)", "Th"},
	"redhat-based": {release("redhat-release", "Springdale Linux release 7.2 (Verona)\n"), "linux redhat-based 7.2 rpm/yum", "Springdale Linux release 7.2 (Verona)", "Verona"},
	"amazon":       {osRelease("NAME=\"Amazon Linux\"\nVERSION=\"2\"\nID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\nVERSION_ID=\"2\"\nPRETTY_NAME=\"Amazon Linux 2\"\n").With(testtree.Files{"usr/bin/yum": "#!", "var/lib/rpm/": ""}), "linux redhat-based 2.0 rpm/yum", "Amazon Linux 2", ""},
	"rhel":         {osRelease("NAME=\"Red Hat Enterprise Linux\"\nVERSION=\"8.6 (Ootpa)\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"8.6\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 8.6 (Ootpa)\"\n"), "linux rhel 8.6 rpm/dnf", "Red Hat Enterprise Linux 8.6 (Ootpa)", "Ootpa"},
	"rhel6":        {release("redhat-release", "Red Hat Enterprise Linux Server release 6.4 (Santiago)\n"), "linux rhel 6.4 rpm/yum", "Red Hat Enterprise Linux Server release 6.4 (Santiago)", "Santiago"},
	"rhel4":        {release("redhat-release", "Red Hat Enterprise Linux ES release 4 (Nahant Update 7)\n"), "linux rhel 4.7 rpm/up2date", "Red Hat Enterprise Linux ES release 4 (Nahant Update 7)", "Nahant Update 7"},
	"rocky":        {osRelease("NAME=\"Rocky Linux\"\nVERSION=\"9.3 (Blue Onyx)\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.3\"\nPRETTY_NAME=\"Rocky Linux 9.3 (Blue Onyx)\"\n"), "linux rocky 9.3 rpm/dnf", "Rocky Linux 9.3 (Blue Onyx)", "Blue Onyx"},
	"scientific":   {release("redhat-release", "Scientific Linux release 6.4 (Carbon)\n"), "linux scientificlinux 6.4 rpm/yum", "Scientific Linux release 6.4 (Carbon)", "Carbon"},
	"slackware":    {release("slackware-version", "Slackware 14.1\n"), "linux slackware 14.1 /", "Slackware 14.1", ""},
	"sles":         {osRelease("NAME=\"SLES\"\nVERSION=\"15-SP4\"\nVERSION_ID=\"15.4\"\nPRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP4\"\nID=\"sles\"\nID_LIKE=\"suse\"\n"), "linux sles 15.4 rpm/zypper", "SUSE Linux Enterprise Server 15 SP4", ""},
	"sles11":       {release("SuSE-release", "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 3\n"), "linux sles 11.3 rpm/zypper", "SUSE Linux Enterprise Server 11 (x86_64)", ""},
	"suse-based":   {osRelease("NAME=\"GeckoLinux\"\nVERSION=\"152\"\nID=\"geckolinux\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"152.1\"\nPRETTY_NAME=\"GeckoLinux\"\n"), "linux suse-based 152.1 rpm/zypper", "GeckoLinux", ""},
	"ttylinux":     {release("ttylinux-target", "ttylinux-2015.1\n"), "linux ttylinux 2015.1 /", "ttylinux-2015.1", ""},
	"ubuntu":       {osRelease("PRETTY_NAME=\"Ubuntu 22.04.3 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.3 LTS (Jammy Jellyfish)\"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME=jammy\n").With(testtree.Files{"etc/debian_version": "bookworm/sid\n"}), "linux ubuntu 22.4 deb/apt", "Ubuntu 22.04.3 LTS", "jammy"},
	"ubuntu12":     {osRelease("NAME=\"Ubuntu\"\nVERSION=\"12.04.5 LTS, Precise Pangolin\"\nID=ubuntu\nID_LIKE=debian\nPRETTY_NAME=\"Ubuntu precise (12.04.5 LTS)\"\nVERSION_ID=\"12.04\"\n"), "linux ubuntu 12.4 deb/apt", "Ubuntu precise (12.04.5 LTS)", "precise"},
	"ubuntu-lsb":   {release("lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.10\nDISTRIB_CODENAME=maverick\nDISTRIB_DESCRIPTION=\"Ubuntu 10.10 (Phony Pharaoh)\"\n").With(testtree.Files{"etc/debian_version": "5.0.1\n"}), "linux ubuntu 10.10 deb/apt", "Ubuntu 10.10 (Phony Pharaoh)", "maverick"},
	"void":         {osRelease("NAME=\"Void\"\nID=\"void\"\nPRETTY_NAME=\"Void Linux\"\n"), "linux voidlinux 0.0 xbps/xbps", "Void Linux", ""},
	"raspbian":     {osRelease("PRETTY_NAME=\"Raspbian GNU/Linux 11 (bullseye)\"\nNAME=\"Raspbian GNU/Linux\"\nVERSION_ID=\"11\"\nID=raspbian\nID_LIKE=debian\n"), "linux debian 11.0 deb/apt", "Raspbian GNU/Linux 11 (bullseye)", ""},
	"manjaro":      {osRelease("NAME=\"Manjaro Linux\"\nID=manjaro\nID_LIKE=arch\nPRETTY_NAME=\"Manjaro Linux\"\n"), "linux archlinux 0.0 pacman/pacman", "Manjaro Linux", ""},
	"nixos":        {osRelease("NAME=NixOS\nID=nixos\nVERSION=\"23.11 (Tapir)\"\nVERSION_CODENAME=tapir\nVERSION_ID=\"23.11\"\nPRETTY_NAME=\"NixOS 23.11 (Tapir)\"\n"), "linux nixos 23.11 /", "NixOS 23.11 (Tapir)", "tapir"},
	"photon":       {osRelease("NAME=\"VMware Photon OS\"\nVERSION=\"4.0\"\nID=photon\nVERSION_ID=4.0\nPRETTY_NAME=\"VMware Photon OS/Linux\"\n").With(testtree.Files{"var/lib/rpm/": "", "usr/bin/tdnf": ""}), "linux photon 4.0 rpm/dnf", "VMware Photon OS/Linux", ""},
	"unknown":      {unix, "linux  0.0 /", "", ""},
	"merged-usr":   {testtree.Files{"bin": "-> usr/bin", "usr/bin/ls": x86_64, "etc/hosts": "", "etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": "ID=debian\nVERSION_ID=12\nPRETTY_NAME=Debian\n"}, "linux debian 12.0 deb/apt", "Debian", ""},
	"distroless":   {testtree.Files{"etc/os-release": "-> /usr/lib/os-release", "usr/lib/os-release": "ID=debian\nVERSION_ID=12\nPRETTY_NAME=Distroless\n", "var/lib/dpkg/status.d/base": ""}, "linux debian 12.0 deb/apt", "Distroless", ""},
}
