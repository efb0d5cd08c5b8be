package testimg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// programPackages are what is in [DebianPrograms].
var programPackages = strings.Fields(`
systemd systemd-sysv dbus libpam-systemd
netbase ifupdown ca-certificates iproute2 iputils-ping netcat-openbsd socat
bzip2 xz-utils zstd lz4 zip unzip cpio rsync pigz
gawk mawk perl python3 libpython3.11-testsuite lua5.4 tcl ruby php-cli nodejs
git gcc g++ make binutils m4 bison flex patch diffutils pkg-config
sqlite3 openssl openssh-client gnupg redis-server redis-tools postgresql
adduser passwd login sudo locales whois
gdb strace tmux expect
zsh busybox bc dc file less vim curl jq man-db libxml2-utils gettext-base
procps psmisc lsof acl attr libcap2-bin bubblewrap inotify-tools time tree pv moreutils bsdextrautils xxd
dpkg-dev apt-utils fakeroot logrotate cron e2fsprogs stress-ng libcap-dev liburing-dev
openjdk-17-jdk-headless golang-go rustc cargo sbcl guile-3.0 erlang-base ocaml-nox r-base-core
mariadb-server nginx-light memcached valgrind cmake ninja-build autoconf automake
imagemagick ghostscript emacs-nox nano screen subversion mercurial ansible-core
xfsprogs btrfs-progs dosfstools squashfs-tools xorriso parted fdisk lvm2 cryptsetup-bin mdadm
python3-pip python3-venv python3-wheel python3-numpy
rpm dnf createrepo-c zypper pacman-package-manager
`)

// DebianPrograms returns the host path of a shared image of 6 GiB, all of it an ext4 file
// system, of a Debian with compilers, interpreters, servers, debuggers and what else people
// use: about 4 GB. To make it the first time takes root, mmdebstrap, a Debian mirror and some
// minutes.
func DebianPrograms(t testing.TB) string {
	t.Helper()
	image, err := BuildDebianPrograms()
	check(t, err)
	return shared(t, image)
}

// BuildDebianPrograms is [DebianPrograms] outside of tests.
func BuildDebianPrograms() (string, error) {
	args := []string{"--variant=minbase", "--mode=root", "--format=directory", "--quiet", "--dpkgopt=force-unsafe-io",
		// The index of manual pages takes a minute, and nothing here looks into it.
		"--essential-hook=echo man-db man-db/auto-update boolean false | chroot \"$1\" debconf-set-selections",
		"--include=" + strings.Join(programPackages, ","), suite}
	mkfs := []string{"-q", "-F", "-t", "ext4", "-U", DebianRootUUID}
	return cached("debian-programs", fmt.Sprint(args, mkfs), []string{"mmdebstrap", "mke2fs"}, asRoot(func(out, work string) error {
		root := filepath.Join(work, "root")
		if _, err := Run("mmdebstrap", append(args, root)...); err != nil {
			return err
		}
		return programsImage(root, out, mkfs)
	}))
}

// programsImage makes the image of a tree, which it configures as an installer would.
func programsImage(root, out string, mkfs []string) error {
	for name, content := range map[string]string{
		"etc/fstab":       "UUID=" + DebianRootUUID + "\t/\text4\tdefaults\t0\t1\n",
		"etc/hostname":    DebianHostname + "\n",
		"etc/hosts":       "127.0.0.1\tlocalhost\n127.0.1.1\t" + DebianHostname + "\n",
		"etc/machine-id":  "5eed0000000040008000000000000000\n",
		"etc/resolv.conf": "nameserver 192.0.2.53\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	if err := blank(out, 6<<30); err != nil {
		return err
	}
	_, err := Run("mke2fs", append(mkfs, "-d", root, out)...)
	return err
}
