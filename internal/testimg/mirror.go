package testimg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// MirrorPackages are packages that people install on a minimal Debian.
var MirrorPackages = strings.Fields(`
nginx openssh-server curl wget git vim htop tmux rsync jq
sqlite3 python3 less man-db cron sudo unzip strace redis-server bash-completion
`)

// DebianMirror returns the host path of a directory, the test's own, that is a repository of
// [MirrorPackages] and all that these need on the system of [Debian]: apt(8) finds it as
// "deb [trusted=yes] URL ./". To make it the first time takes root and a Debian mirror.
func DebianMirror(t testing.TB) string {
	t.Helper()
	args := append([]string{"install", "-y", "-qq", "--download-only", "--no-install-recommends"}, MirrorPackages...)
	tarball, err := cached("debian-mirror.tar", fmt.Sprint(args), []string{"mmdebstrap", "dpkg-scanpackages", "tar"}, asRoot(func(out, work string) error {
		system, err := debianTar(debianPackages)
		if err != nil {
			return err
		}
		return makeMirror(out, work, system, args)
	}))
	check(t, err)
	dir := t.TempDir()
	MustRun(t, "tar", "-C", dir, "-xf", shared(t, tarball))
	return dir
}

// makeMirror has a system load packages, and makes an archive of them with their index.
func makeMirror(out, work, system string, args []string) error {
	root := filepath.Join(work, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if _, err := Run("tar", "-C", root, "--numeric-owner", "-xpf", system); err != nil {
		return err
	}
	names, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "etc/resolv.conf"), names, 0o644); err != nil {
		return err
	}
	if _, err := Run("chroot", root, "apt-get", "update", "-qq"); err != nil {
		return err
	}
	if _, err := Run("chroot", append([]string{root, "apt-get"}, args...)...); err != nil {
		return err
	}
	archives := filepath.Join(root, "var/cache/apt/archives")
	index, err := Run("sh", "-c", `cd "$1" && rm -rf lock partial && dpkg-scanpackages -m . 2>/dev/null`, "sh", archives)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(archives, "Packages"), []byte(index), 0o644); err != nil {
		return err
	}
	_, err = Run("tar", "-C", archives, "-cf", out, ".")
	return err
}
