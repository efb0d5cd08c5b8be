package testimg

import "testing"

// DebianTar returns the host path of a shared archive of a minimal Debian, as it comes
// from mmdebstrap: the root file system of [Debian] before it is configured.
func DebianTar(t testing.TB) string {
	t.Helper()
	tarball, err := debianTar()
	check(t, err)
	return shared(t, tarball)
}
