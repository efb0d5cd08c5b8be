package testimg

import "testing"

// DebianTar returns the host path of a shared archive of a minimal Debian, as it comes
// from mmdebstrap: the root file system of [Debian] before it is configured.
func DebianTar(t testing.TB) string {
	t.Helper()
	tarball, err := debianTar(debianPackages)
	check(t, err)
	return shared(t, tarball)
}

// DebianBootTar is [DebianTar] of one with a kernel and GRUB, for a machine with a BIOS.
func DebianBootTar(t testing.TB) string {
	t.Helper()
	tarball, err := debianTar("linux-image-cloud-amd64,grub-pc,initramfs-tools,systemd-sysv")
	check(t, err)
	return shared(t, tarball)
}
