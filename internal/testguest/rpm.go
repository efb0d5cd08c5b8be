package testguest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

const rpmSpec = `Name: example
Version: 1.2
Release: 3.fc39
Epoch: 1
Summary: An example
License: MIT
Vendor: Fedora Project
URL: https://example.com
BuildArch: noarch
%description
An example of a package.
%files
%package -n other
Summary: Another one
%description -n other
Another package.
%files -n other
`

// RPMs are the packages in [RPMDatabase].
var RPMs = []string{"example", "other"}

// RPMDatabase makes a database of RPM, as the one file of it that is read.
func RPMDatabase(t testing.TB) Files {
	t.Helper()
	testimg.Need(t, "rpmbuild", "rpm")
	dir := t.TempDir()
	spec := filepath.Join(dir, "example.spec")
	if err := os.WriteFile(spec, []byte(rpmSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "rpmbuild", "-bb", "--quiet", "--nodeps", "--define", "_topdir "+dir, "--define", "debug_package %{nil}",
		"--define", "__os_install_post %{nil}", "--define", "_buildhost localhost", spec)
	packages, err := filepath.Glob(filepath.Join(dir, "RPMS/noarch/*.rpm"))
	if err != nil || len(packages) != len(RPMs) {
		t.Fatal(packages, err)
	}
	args := []string{"--define", "_db_backend sqlite", "--dbpath", filepath.Join(dir, "db"), "--nodeps", "--justdb", "--nosignature", "-i"}
	testimg.MustRun(t, "rpm", append(args, packages...)...)
	files := Files{}
	for _, name := range []string{"rpmdb.sqlite", "rpmdb.sqlite-wal"} {
		if b, err := os.ReadFile(filepath.Join(dir, "db", name)); err == nil {
			files["usr/lib/sysimage/rpm/"+name] = string(b)
		}
	}
	return files
}
