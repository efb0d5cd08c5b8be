package tarball

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func run(t *testing.T, dir string, stdin []byte, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(err)
	}
	c := exec.Command(name, args...)
	c.Dir, c.Stdin = dir, bytes.NewReader(stdin)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, stderr.String())
	}
	if stderr.Len() > 0 {
		t.Errorf("%s %v complains:\n%s", name, args, stderr.String())
	}
	return string(out)
}

// tree makes a directory with files of the kinds that tools store differently.
func tree(t *testing.T) string {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(dir, "d"), 0o750))
	must(os.WriteFile(filepath.Join(dir, "d/file"), []byte("data\n"), 0o640))
	must(os.Link(filepath.Join(dir, "d/file"), filepath.Join(dir, "d/hard")))
	must(os.Symlink("d/file", filepath.Join(dir, "d/sym")))
	must(unix.Mkfifo(filepath.Join(dir, "d/fifo"), 0o600))
	f, err := os.Create(filepath.Join(dir, "d/sparse"))
	must(err)
	defer f.Close()
	must(f.Truncate(64 << 20))
	for i := range int64(40) {
		_, err := f.WriteAt([]byte("data"), i<<20)
		must(err)
	}
	return dir
}

// Every format of GNU tar, with every way it has to store holes.
func TestGNUWrites(t *testing.T) {
	dir := tree(t)
	for _, args := range [][]string{
		{"--format=v7"},
		{"--format=ustar"},
		{"--format=oldgnu", "-S"},
		{"--format=gnu", "-S"},
		{"--format=gnu", "-S", "-G"}, // directories are of type D, with data
		{"--format=gnu", "-V", "label"},
		{"--format=pax", "-S", "--sparse-version=0.0"},
		{"--format=pax", "-S", "--sparse-version=0.1"},
		{"--format=pax", "-S", "--sparse-version=1.0"},
		{"--format=pax", "-S", "--pax-option=globexthdr.name=g,comment=x,mtime:={2024-01-01},hdrcharset=BINARY"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			args := append(args, "--sort=name", "-c")
			switch {
			case slices.Contains(args, "-G"):
				args = append(args, "d")
			case slices.Contains(args, "--format=v7"): // has no FIFOs
				args = append(args, "d/file", "d/hard", "d/sparse", "d/sym")
			default:
				args = append(args, "d/file", "d/hard", "d/sparse", "d/sym", "d/fifo")
			}
			got, err := readAll([]byte(run(t, dir, nil, "tar", args...)))
			if err != nil {
				t.Fatal(err)
			}
			byName := map[string]member{}
			for _, m := range got {
				byName[m.h.Name] = m
			}
			if m := byName["d/file"]; m.data != "data\n" || m.h.Mode != 0o640 {
				t.Errorf("file: %+v", m)
			}
			if h := byName["d/hard"].h; h.Type != TypeLink || h.Linkname != "d/file" {
				t.Errorf("hard link: %+v", h)
			}
			if h := byName["d/sym"].h; h.Type != TypeSymlink || h.Linkname != "d/file" {
				t.Errorf("symlink: %+v", h)
			}
			m := byName["d/sparse"]
			want, err := os.ReadFile(filepath.Join(dir, "d/sparse"))
			if err != nil {
				t.Fatal(err)
			}
			if m.h.Size != 64<<20 || m.h.Sparse != slices.Contains(args, "-S") || expand(&m) != string(want) {
				t.Errorf("sparse file: %d bytes, %d segments", m.h.Size, len(m.h.Data))
			}
		})
	}
}

func TestBsdtarWrites(t *testing.T) {
	dir := tree(t)
	if err := unix.Setxattr(filepath.Join(dir, "d/file"), "user.binary", []byte("\x00=\n"), 0); err != nil {
		t.Log(err)
	}
	for _, format := range []string{"ustar", "pax", "gnutar"} {
		got, err := readAll([]byte(run(t, dir, nil, "bsdtar", "--format="+format, "--xattrs", "-c", "d")))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range got {
			if m.h.Name == "d/sparse" && m.h.Size != 64<<20 {
				t.Errorf("%s: %+v", format, m.h)
			}
			if m.h.Name == "d/file" && format == "pax" && !slices.Contains(m.h.Xattrs, Xattr{"user.binary", "\x00=\n"}) {
				t.Errorf("attributes: %q", m.h.Xattrs)
			}
		}
	}
}

// GNU tar extracts what we write: holes are holes, data are data.
func TestGNUReads(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("devices and owners need root")
	}
	members := oddMembers()
	members = slices.DeleteFunc(members, func(m member) bool {
		return len(filepath.Base(m.h.Name)) > 255 || strings.Count(m.h.Name, "/") > 60
	})
	dir := t.TempDir()
	run(t, dir, archive(t, members...), "tar", "--xattrs", "--xattrs-include=*", "--acls", "--warning=no-timestamp",
		"--warning=no-unknown-keyword", "-xpf", "-")
	for _, m := range members {
		path := filepath.Join(dir, m.h.Name)
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Error(err)
			continue
		}
		if m.h.Type == TypeLink {
			continue
		}
		if m.h.Type != TypeSymlink && len(m.h.Xattrs) == 0 && st.Mode&0o7777 != m.h.Mode {
			t.Errorf("%.40s: mode %o, want %o", m.h.Name, st.Mode, m.h.Mode)
		}
		if m.h.User == "" && (int64(st.Uid) != m.h.UID || int64(st.Gid) != m.h.GID) ||
			m.h.Type != TypeDir && m.h.Type != TypeSymlink && st.Mtim.Sec != m.h.Mtime.Unix() && m.h.Mtime.Unix() < 1<<34 {
			t.Errorf("%.40s: owner %d:%d, time %d, want %+v", m.h.Name, st.Uid, st.Gid, st.Mtim.Sec, m.h)
		}
		if m.h.Type == TypeReg && st.Size != m.h.Size {
			t.Errorf("%.40s: %d bytes, want %d", m.h.Name, st.Size, m.h.Size)
		}
		if m.h.Sparse && m.h.Size > 1<<30 && st.Blocks > 100 {
			t.Errorf("%.40s: takes %d blocks", m.h.Name, st.Blocks)
		}
		if m.h.Type == TypeReg && m.h.Size < 1<<30 {
			if b, err := os.ReadFile(path); err != nil || string(b) != expand(&m) {
				t.Errorf("%.40s: wrong content, %v", m.h.Name, err)
			}
		}
		for _, x := range m.h.Xattrs {
			buf := make([]byte, 4096)
			n, err := unix.Lgetxattr(path, x.Name, buf)
			if err == unix.EOPNOTSUPP || err == unix.ENODATA && strings.HasPrefix(x.Name, "user.") {
				t.Logf("%s: %s: %v", m.h.Name, x.Name, err) // a tmpfs, say
			} else if err != nil || string(buf[:n]) != x.Value {
				t.Errorf("%.40s: %s: %v, %q", m.h.Name, x.Name, err, buf[:max(n, 0)])
			}
		}
	}
}

// bsdtar lists the same names and sizes, and says nothing about it.
func TestBsdtarReads(t *testing.T) {
	members := slices.DeleteFunc(oddMembers(), func(m member) bool {
		return strings.ContainsAny(m.h.Name+m.h.Linkname, "\n\xe9\xff") // it lists them escaped
	})
	out := run(t, t.TempDir(), archive(t, members...), "bsdtar", "-tf", "-")
	var want strings.Builder
	for _, m := range members {
		io.WriteString(&want, m.h.Name)
		if m.h.Type == TypeDir {
			want.WriteByte('/')
		}
		want.WriteByte('\n')
	}
	if out != want.String() {
		t.Errorf("bsdtar lists\n%s\nwant\n%s", out, want.String())
	}
}
