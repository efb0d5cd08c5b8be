package packages

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/unboot/unboot/inspect/internal/testtree"
	"github.com/unboot/unboot/internal/testimg"
)

// rpmSpec makes 150 packages: tiny ones, one with an epoch and one with so many files
// that its header is larger than any page.
const rpmSpec = `Name: first
Version: 1.2.3
Release: 4.el9
Epoch: 7
Summary: Erste Hülle
License: MIT
Vendor: The Vendor
URL: https://example.com/first
BuildArch: noarch
%description
The first package.

It has two paragraphs.
%files
%package -n with-many-files
Summary: Many files
Version: 0.1~rc1
Release: 1
%description -n with-many-files
Many.
%files -n with-many-files
/many
%{lua: for i = 1, 148 do
print("%package -n tiny-"..i.."\nSummary: Tiny "..i.."\n%description -n tiny-"..i.."\n"..string.rep("text ", i).."\n%files -n tiny-"..i.."\n")
end}
%install
mkdir -p %{buildroot}/many
i=0; while [ $i -lt 3000 ]; do : >%{buildroot}/many/a-file-with-a-long-name-$i; i=$((i+1)); done
`

// rpmRoot makes the packages, once, and returns their directory.
var rpmFilesMade = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rpm-test-")
	if err != nil {
		return "", err
	}
	spec := filepath.Join(dir, "first.spec")
	if err := os.WriteFile(spec, []byte(rpmSpec), 0o644); err != nil {
		return "", err
	}
	_, err = testimg.Run("rpmbuild", "-bb", "--quiet", "--nodeps", "--define", "_topdir "+dir, "--define", "_binary_payload w0.gzdio",
		"--define", "__os_install_post %{nil}", "--define", "debug_package %{nil}", spec)
	return filepath.Join(dir, "RPMS", "noarch"), err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := rpmFilesMade(); err == nil && strings.Contains(dir, "rpm-test-") && rpmWanted {
		os.RemoveAll(filepath.Dir(filepath.Dir(dir)))
	}
	os.Exit(code)
}

// rpmWanted says that the packages were made.
var rpmWanted bool

// rpmTree makes a root with a database of one kind.
func rpmTree(t *testing.T, backend string) string {
	t.Helper()
	testimg.Need(t, "rpm", "rpmbuild")
	rpmWanted = true
	dir, err := rpmFilesMade()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.rpm"))
	if err != nil || len(files) != 150 {
		t.Fatal(len(files), err)
	}
	root := t.TempDir()
	db := filepath.Join(root, "var/lib/rpm")
	if err := os.MkdirAll(db, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"--dbpath", db, "--define", "_db_backend " + backend, "-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch", "--nosignature"}
	testimg.MustRun(t, "rpm", append(args, files...)...)
	// A slot, or a row, that is free again.
	testimg.MustRun(t, "rpm", "--dbpath", db, "--define", "_db_backend "+backend, "-e", "--justdb", "--nodeps", "tiny-17")
	return root
}

// warnings are what rpm says to a format that it can only read.
var warnings = regexp.MustCompile("(?m)^(rpm|warning): .*\n")

const rpmFormat = `%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{VENDOR}\t%{URL}\t%{SUMMARY}\t%{DESCRIPTION}\n\f`

// rpmQuery asks rpm for the list, in our form.
func rpmQuery(t *testing.T, root, backend string) (list []string) {
	t.Helper()
	out := testimg.MustRun(t, "rpm", "--dbpath", filepath.Join(root, "var/lib/rpm"), "--define", "_db_backend "+backend, "-qa", "--qf", rpmFormat)
	for p := range strings.SplitSeq(strings.ReplaceAll(warnings.ReplaceAllString(out, ""), "(none)", ""), "\n\f") {
		if p != "" {
			list = append(list, strings.TrimSpace(p))
		}
	}
	slices.Sort(list)
	return list
}

func rpmText(list []Package) (text []string) {
	for _, p := range list {
		text = append(text, strings.TrimSpace(fmt.Sprintf("%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s",
			p.Name, p.Epoch, p.Version, p.Release, p.Arch, p.Publisher, p.URL, p.Summary, p.Description)))
	}
	slices.Sort(text)
	return text
}

func compareRPM(t *testing.T, root, backend string) {
	t.Helper()
	want := rpmQuery(t, root, backend)
	list, err := List(testtree.Dir(root), "rpm")
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != 149 {
		t.Fatalf("rpm has %d packages", len(want))
	}
	got := rpmText(list)
	if !slices.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("%d packages, rpm has %d;\ngot  %q\nwant %q", len(got), len(want), got[i], want[i])
			}
		}
		t.Fatalf("%d packages, rpm has %d", len(got), len(want))
	}
	for _, p := range list {
		if p.SourcePackage != "first" {
			t.Fatalf("source of %s: %q", p.Name, p.SourcePackage)
		}
	}
}

func TestRPMSQLite(t *testing.T) { compareRPM(t, rpmTree(t, "sqlite"), "sqlite") }

// ndbFile returns a database that RPM's own code has made; see testdata/README.
func ndbFile(t testing.TB) []byte {
	t.Helper()
	f, err := os.Open("testdata/Packages.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRPMNDB(t *testing.T) {
	want, err := os.ReadFile("testdata/Packages.db.list")
	if err != nil {
		t.Fatal(err)
	}
	list, err := List(testtree.Files{"usr/lib/sysimage/rpm/Packages.db": string(ndbFile(t))}.FS(), "rpm")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range list {
		got = append(got, fmt.Sprintf("%s\t%d\t%s\t%s\t%s\t%s\n", p.Name, p.Epoch, p.Version, p.Release, p.Arch, p.Summary))
	}
	slices.Sort(got)
	if text := strings.Join(got, ""); text != string(want) {
		t.Errorf("got\n%swant\n%s", text, want)
	}
}

// A database whose last changes are in the log: what a running system's looks like.
func TestRPMLog(t *testing.T) {
	testimg.Need(t, "sqlite3")
	root := rpmTree(t, "sqlite")
	db := filepath.Join(root, "var/lib/rpm/rpmdb.sqlite")
	copyTo := t.TempDir()
	// The log goes away with the last connection, so it is copied before.
	testimg.MustRun(t, "sh", "-c", fmt.Sprintf(`mkdir -p %[2]s/var/lib/rpm && sqlite3 %[1]s \
"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; DELETE FROM Packages WHERE hnum %% 3 = 0; UPDATE Packages SET blob=blob; SELECT count(*) FROM Packages;" \
".shell cp %[1]s* %[2]s/var/lib/rpm/"`, db, copyTo))
	st, err := os.Stat(filepath.Join(copyTo, "var/lib/rpm/rpmdb.sqlite-wal"))
	if err != nil || st.Size() < 100000 {
		t.Fatal(st, err)
	}
	list, err := List(testtree.Dir(copyTo), "rpm")
	if err != nil {
		t.Fatal(err)
	}
	want := rpmQuery(t, root, "sqlite") // checkpointed by now
	if len(want) > 110 || !slices.Equal(rpmText(list), want) {
		t.Errorf("%d packages, rpm has %d", len(list), len(want))
	}
	// Without the log it is the list from before.
	os.Remove(filepath.Join(copyTo, "var/lib/rpm/rpmdb.sqlite-wal"))
	if list, err = List(testtree.Dir(copyTo), "rpm"); err != nil || len(list) != 149 {
		t.Errorf("%d packages, %v", len(list), err)
	}
}

// Berkeley DB, which no rpm writes any more: the headers are loaded by the tool of the
// database.
func TestRPMBerkeley(t *testing.T) {
	testimg.Need(t, "sqlite3", "db5.3_load")
	root := rpmTree(t, "sqlite")
	dir := filepath.Join(root, "var/lib/rpm")
	rows := testimg.MustRun(t, "sqlite3", filepath.Join(dir, "rpmdb.sqlite"), "SELECT hnum, hex(blob) FROM Packages")
	want := rpmQuery(t, root, "sqlite")
	for _, c := range []struct{ page, order string }{{"4096", "1234"}, {"512", "1234"}, {"65536", "1234"}, {"4096", "4321"}} {
		dump := []string{"VERSION=3", "format=bytevalue", "type=hash", "db_pagesize=" + c.page, "db_lorder=" + c.order, "HEADER=END", " 00000000", " ffffffff"}
		for row := range strings.Lines(rows) {
			var n uint32
			var blob string
			if _, err := fmt.Sscanf(row, "%d|%s", &n, &blob); err != nil {
				t.Fatal(err)
			}
			key := fmt.Sprintf(" %02x%02x%02x%02x", byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
			if c.order == "4321" {
				key = fmt.Sprintf(" %08x", n)
			}
			dump = append(dump, key, " "+strings.ToLower(blob))
		}
		dump = append(dump, "DATA=END", "")
		tree := t.TempDir()
		bdb := filepath.Join(tree, "var/lib/rpm")
		text := filepath.Join(tree, "dump")
		if err := errors.Join(os.MkdirAll(bdb, 0o755), os.WriteFile(text, []byte(strings.Join(dump, "\n")), 0o644)); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "db5.3_load", "-f", text, filepath.Join(bdb, "Packages"))
		list, err := List(testtree.Dir(tree), "rpm")
		if err != nil {
			t.Fatal(c, err)
		}
		if got := rpmText(list); !slices.Equal(got, want) {
			t.Errorf("%v: %d packages, rpm has %d", c, len(got), len(want))
		}
		if c.order == "1234" && c.page == "4096" {
			if got := rpmQuery(t, tree, "bdb_ro"); !slices.Equal(got, want) {
				t.Errorf("rpm reads %d packages from Berkeley DB, and %d from SQLite", len(got), len(want))
			}
		}
	}
}

// All of a database's files are cut off and damaged, at many places: nothing but errors
// may come of it.
func TestRPMDamage(t *testing.T) {
	sqlite, err := os.ReadFile(filepath.Join(rpmTree(t, "sqlite"), "var/lib/rpm/rpmdb.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"rpmdb.sqlite": sqlite, "Packages.db": ndbFile(t)} {
		whole, err := List(testtree.Files{"var/lib/rpm/" + name: string(data)}.FS(), "rpm")
		if err != nil || len(whole) != 149 && len(whole) != 69 {
			t.Fatal(len(whole), err)
		}
		for i := range 200 {
			bad := slices.Clone(data[:len(data)*(i+1)/200])
			for k := 0; k < len(bad); k += 3001 + 17*i {
				bad[k] ^= byte(i + k)
			}
			list, err := List(testtree.Files{"var/lib/rpm/" + name: string(bad)}.FS(), "rpm")
			if len(list) > 200 {
				t.Fatalf("%d packages, %v", len(list), err)
			}
		}
		half, err := List(testtree.Files{"var/lib/rpm/" + name: string(data[:len(data)/2])}.FS(), "rpm")
		if len(half) >= len(whole) || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: half of the file has %d packages, %v", name, len(half), err)
		}
	}
}

func TestNoDatabase(t *testing.T) {
	for _, format := range []string{"deb", "rpm", "apk", "pacman", "ebuild", "", "other"} {
		list, err := List(testtree.Files{"etc/passwd": ""}.FS(), format)
		if !errors.Is(err, ErrNoDatabase) || list != nil {
			t.Errorf("%s: %v, %v", format, list, err)
		}
	}
	_, err := List(testtree.Files{"var/lib/rpm/Packages": "nothing of the kind"}.FS(), "rpm")
	if !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	_, err = List(testtree.Files{"var/lib/rpm/Packages": "fifo"}.FS(), "rpm")
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
