package inspect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
	"github.com/unboot/unboot/internal/testimg"
)

// A real Debian, and what its own programs say.
func TestDebian(t *testing.T) {
	testimg.Need(t, "tar", "dpkg-query", "sh")
	dir := t.TempDir()
	testimg.MustRun(t, "tar", "-C", dir, "-xf", testimg.DebianTar(t), "--exclude=./usr/share", "--exclude=./dev/*", "--no-same-owner")
	if err := os.WriteFile(filepath.Join(dir, "etc/hostname"), []byte("real\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	fsys := testtree.Dir(dir)
	s, err := Tree(fsys)
	if err != nil || len(s.Problems) != 0 {
		t.Fatal(err, s)
	}
	// os-release is made for shells.
	osRelease := filepath.Join(dir, "usr/lib/os-release")
	want := testimg.MustRun(t, "sh", "-c", `. "$1"; printf '%s|%s|%s' "$ID" "$PRETTY_NAME" "$VERSION_CODENAME"`, "sh", osRelease)
	if got := s.ID + "|" + s.Product + "|" + s.Codename; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	version, err := os.ReadFile(filepath.Join(dir, "etc/debian_version"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%d.%d\n", s.Major, s.Minor); got != string(version) || s.Release+"\n" != string(version) {
		t.Errorf("version %s, release %s, want %s", got, s.Release, version)
	}
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "i386": "i386", "armhf": "arm", "ppc64el": "ppc64le"}
	list, err := Applications(fsys, s)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range list {
		version := p.Version
		if p.Epoch != 0 {
			version = fmt.Sprintf("%d:%s", p.Epoch, version)
		}
		if p.Release != "" {
			version += "-" + p.Release
		}
		if p.Arch != "all" && arch[p.Arch] != s.Arch {
			t.Errorf("%s is for %s, the system for %s", p.Name, p.Arch, s.Arch)
		}
		source := p.SourcePackage
		if source == "" {
			source = p.Name
		}
		got = append(got, strings.Join([]string{p.Name, version, p.Arch, source, p.URL, p.Publisher, p.Summary}, "\t"))
	}
	out := testimg.MustRun(t, "dpkg-query", "--admindir="+filepath.Join(dir, "var/lib/dpkg"), "-W",
		"-f", `${Package}\t${Version}\t${Architecture}\t${source:Package}\t${Homepage}\t${Maintainer}\t${binary:Summary}\n`)
	query := strings.Split(strings.TrimSpace(out), "\n")
	for i := range query {
		query[i] = strings.TrimRight(query[i], " ") // one has a space at the end of its summary
	}
	slices.Sort(query)
	slices.Sort(got)
	if len(got) < 80 || !slices.Equal(got, query) {
		t.Errorf("%d packages, dpkg-query has %d", len(got), len(query))
		for i := range min(len(got), len(query)) {
			if got[i] != query[i] {
				t.Fatalf("got  %q\nwant %q", got[i], query[i])
			}
		}
	}
	if s.Hostname != "real" || s.Distro != "debian" || s.PackageManagement != "apt" || !s.Container() {
		t.Errorf("%+v", s)
	}
	// /usr on its own is no system.
	if _, err := Tree(testtree.Dir(filepath.Join(dir, "usr"))); !errors.Is(err, ErrNoSystem) {
		t.Error(err)
	}
}
