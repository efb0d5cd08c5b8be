package upstream

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// version is the libguestfs whose tests the lists name: Debian 12's.
const version = "1.48.6"

// source returns the directory of libguestfs's source, with the test data that its own
// rules make with tools of the host: test.iso and what goes into it.
func source(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("fetches 19 MB")
	}
	testimg.NeedRoot(t)
	testimg.Need(t, "guestfish", "make", "tar", "genisoimage", "qemu-img", "cpio", "xz", "zstd", "perl")
	archive := testimg.Source(t, "libguestfs")
	if !strings.Contains(filepath.Base(archive), "_"+version+".") {
		t.Skipf("%s is installed, but the lists are for %s", filepath.Base(archive), version)
	}
	top := filepath.Join(filepath.Dir(archive), version)
	lock, err := os.OpenFile(top+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	rig.Check(t, "lock", err)
	defer lock.Close()
	rig.Check(t, "lock", unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	if _, err := os.Stat(top); err == nil {
		return top
	}
	tmp := top + ".tmp"
	rig.Check(t, "remove", os.RemoveAll(tmp))
	rig.Check(t, "mkdir", os.MkdirAll(tmp, 0o755))
	args := []string{"-xzf", archive, "-C", tmp, "--strip-components=1", "--no-same-owner"}
	for _, dir := range []string{"fish", "tests", "test-data", "common", "lib", "gnulib/lib", "perl/t", "COPYING.LIB"} {
		args = append(args, "libguestfs-"+version+"/"+dir)
	}
	testimg.MustRun(t, "tar", args...)
	makeData(t, tmp+"/test-data/blank-disks", "all")
	makeData(t, tmp+"/test-data/files", "all")
	makeData(t, tmp+"/test-data", "test.iso")
	rig.Check(t, "rename", os.Rename(tmp, top))
	return top
}

// makeData has make follow the rules of a Makefile.am of test-data, which are plain but
// for conditions of automake and the rules they include.
func makeData(t *testing.T, dir, target string) {
	t.Helper()
	name := rules(t, dir)
	testimg.MustRun(t, "make", "-C", dir, "-f", name, target)
}

var automake = regexp.MustCompile(`(?m)^(include|if|endif|else|SUBDIRS)\b.*$`)

// rules writes what make can read of a Makefile.am, and returns the file's name.
func rules(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "Makefile.am"))
	rig.Check(t, "read", err)
	up := ".."
	if filepath.Base(dir) != "test-data" {
		up = "../.."
	}
	head := fmt.Sprintf("srcdir=.\ntop_srcdir=%s\ntop_builddir=%[1]s\nSED=sed\nMKISOFS=genisoimage\nSQLITE3=sqlite3\nall: default\n", up)
	out := head + automake.ReplaceAllString(string(text), "") + "\ndefault: $(noinst_DATA) $(files)\n"
	name := "rules.mk"
	rig.Check(t, "write", os.WriteFile(filepath.Join(dir, name), []byte(out), 0o644))
	return name
}
