package testimg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Source returns the path of the source archive of one of Debian's packages,
// PACKAGE_VERSION.orig.tar with a compressor's suffix, for the sake of the tests in it. It is
// downloaded by apt once per machine, with lists of its own, so that nothing of
// the host's changes. Where that does not work the test is skipped.
func Source(t testing.TB, name string) string {
	t.Helper()
	base, err := Dir()
	check(t, err)
	dir := filepath.Join(base, name)
	if found := archives(dir, name); len(found) > 0 {
		return found[0]
	}
	Need(t, "apt-get")
	work := t.TempDir()
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		check(t, os.MkdirAll(filepath.Join(work, d), 0o755))
	}
	release, _ := os.ReadFile("/etc/os-release")
	_, codename, _ := strings.Cut(string(release), "VERSION_CODENAME=")
	codename, _, _ = strings.Cut(codename, "\n")
	source := fmt.Sprintf("deb-src http://deb.debian.org/debian %s main\n", strings.Trim(codename, `"`))
	check(t, os.WriteFile(work+"/sources", []byte(source), 0o644))
	apt := func(args ...string) error {
		cmd := exec.Command("apt-get", append([]string{
			"-o", "Dir::Etc::SourceList=" + work + "/sources", "-o", "Dir::Etc::SourceParts=-",
			"-o", "Dir::State::Lists=" + work + "/lists", "-o", "Dir::Cache=" + work + "/cache",
			"-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=1",
		}, args...)...)
		cmd.Dir = work
		timer := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
		defer timer.Stop()
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("apt-get %s: %w\n%.500s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := errors.Join(apt("update"), apt("source", "--download-only", name)); err != nil {
		t.Skipf("the source of %s cannot be had: %v", name, err)
	}
	found := archives(work, name)
	if len(found) == 0 {
		t.Skipf("apt-get brought no %s_*.orig.tar.*", name)
	}
	check(t, os.MkdirAll(dir, 0o755))
	to := filepath.Join(dir, filepath.Base(found[0]))
	check(t, Copy(found[0], to+".new"))
	check(t, os.Rename(to+".new", to))
	return to
}

func archives(dir, name string) []string {
	list, _ := filepath.Glob(filepath.Join(dir, name+"_*.orig.tar.*"))
	return list
}

// SourceFile returns the path of a file among the tests in [Source].
func SourceFile(t testing.TB, source, name string) string {
	t.Helper()
	Need(t, "tar")
	dir := t.TempDir()
	MustRun(t, "tar", "-C", dir, "--strip-components=2", "--wildcards", "-xf", Source(t, source), "*/tests/"+name)
	return filepath.Join(dir, name)
}

// SourceArchive returns the directory that an archive among the tests in [Source] has:
// "images" of images.tar.xz.
func SourceArchive(t testing.TB, source, name string) string {
	t.Helper()
	Need(t, "xz")
	packed := SourceFile(t, source, name+".tar.xz")
	MustRun(t, "tar", "-C", filepath.Dir(packed), "-xf", packed)
	return filepath.Join(filepath.Dir(packed), name)
}
