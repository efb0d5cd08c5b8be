package cpio

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/compression"
	"github.com/unboot/unboot/internal/testimg"
)

// archive writes an archive with a directory, a file with two names, a link, and a file
// that becomes shorter than it was said to be.
func archive(t *testing.T, crc bool) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, crc)
	add := func(name string, st unix.Statx_t, size int64, content string) {
		t.Helper()
		var sum Sum
		if crc && st.Mode&unix.S_IFMT == unix.S_IFREG {
			io.WriteString(&sum, content)
		}
		if err := w.Add(name, &st, size, sum); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	add(".", unix.Statx_t{Mode: unix.S_IFDIR | 0o755, Nlink: 2, Ino: 1}, 0, "")
	add("a", unix.Statx_t{Mode: unix.S_IFREG | 0o644, Nlink: 2, Ino: 2}, 5, "hello")
	add("b", unix.Statx_t{Mode: unix.S_IFREG | 0o644, Nlink: 2, Ino: 2}, 5, "hello")
	add("link", unix.Statx_t{Mode: unix.S_IFLNK | 0o777, Nlink: 1, Ino: 3}, 1, "a")
	add("short", unix.Statx_t{Mode: unix.S_IFREG | 0o600, Nlink: 1, Ino: 4}, 10000, "x")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// list returns what is in an initrd, a line a member.
func list(t *testing.T, initrd []byte) (string, error) {
	t.Helper()
	var b strings.Builder
	err := ReadInitrd(t.Context(), bytes.NewReader(initrd), func(m *Member, r io.Reader) error {
		content, err := io.ReadAll(io.LimitReader(r, 5))
		b.WriteString(m.Name + " " + strings.TrimRight(string(content), "\x00") + "\n")
		return err
	})
	return b.String(), err
}

const listed = ". \na hello\nb hello\nlink a\nshort x\n"

// TestWriter finds that cpio(1) unpacks what is written, sums and hard links included.
func TestWriter(t *testing.T) {
	testimg.Need(t, "cpio")
	for _, crc := range []bool{false, true} {
		b := archive(t, crc)
		if len(b)%blockBytes != 0 {
			t.Errorf("%d bytes", len(b))
		}
		dir := t.TempDir()
		cmd := exec.Command("cpio", "-id", "--quiet", "--no-preserve-owner")
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(b)
		if out, err := cmd.CombinedOutput(); err != nil || !crc && len(out) > 0 {
			t.Fatalf("crc %t: %v: %s", crc, err, out)
		}
		a, err := os.Stat(filepath.Join(dir, "a"))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.Stat(filepath.Join(dir, "b")); err != nil || !os.SameFile(a, b) {
			t.Errorf("a and b are not one file: %v", err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "b")); string(b) != "hello" {
			t.Errorf("%q, %v", b, err)
		}
		if l, err := os.Readlink(filepath.Join(dir, "link")); l != "a" {
			t.Errorf("%q, %v", l, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "short")); string(b) != "x"+strings.Repeat("\x00", 9999) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
}

// TestWriterRefuses finds that a member cannot be larger than its header has it.
func TestWriterRefuses(t *testing.T) {
	w := NewWriter(io.Discard, false)
	if err := w.Add("x", &unix.Statx_t{}, 1<<32, 0); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if err := w.Add("x", &unix.Statx_t{}, 1, 0); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(w, "xy"); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// TestInitrd reads archives one after another, the last one compressed.
func TestInitrd(t *testing.T) {
	plain := archive(t, true)
	two := append(append(bytes.Clone(plain), make([]byte, 1000)...), plain...)
	if got, err := list(t, two); got != listed+listed || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, method := range []string{"gzip", "xz", "zstd"} {
		b := bytes.NewBuffer(bytes.Clone(plain))
		z, err := compression.NewWriter(method, 1, b)
		if err != nil {
			t.Fatal(err)
		}
		z.Write(plain)
		z.Close()
		if method == "gzip" {
			b.Write(make([]byte, 512)) // as mkinitramfs pads
		}
		if got, err := list(t, b.Bytes()); got != listed+listed || err != nil {
			t.Errorf("%s: %q, %v", method, got, err)
		}
	}
	testimg.Need(t, "lzop")
	cmd := exec.Command("lzop", "-c")
	cmd.Stdin = bytes.NewReader(plain)
	packed, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := list(t, slices.Concat(plain, packed, make([]byte, 512))); got != listed+listed || err != nil {
		t.Errorf("lzop: %q, %v", got, err)
	}
	for content, want := range map[string]error{
		"":                              ErrFormat,
		"hello, world":                  ErrFormat,
		"\x00\x00\x00":                  ErrFormat,
		"\x02\x21\x4c\x18\x00\x00":      ErrCompression,
		string(plain[:200]):             ErrFormat,
		magicNewc + "zzzzzzzz":          ErrFormat,
		string(plain) + "\x00\x00trash": ErrFormat,
	} {
		if got, err := list(t, []byte(content)); !errors.Is(err, want) {
			t.Errorf("%.20q: %q, %v, want %v", content, got, err, want)
		}
	}
	enough := errors.New("enough")
	if err := ReadInitrd(t.Context(), bytes.NewReader(plain), func(*Member, io.Reader) error { return enough }); err != enough {
		t.Error(err)
	}
}

func FuzzInitrd(f *testing.F) {
	f.Add([]byte("070701"+strings.Repeat("0", 88)+"0000000B00000000TRAILER!!!\x00\x00\x00\x00"), 0)
	f.Add([]byte("\x1f\x8b"), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		total := 0
		ReadInitrd(t.Context(), bytes.NewReader(b), func(m *Member, r io.Reader) error {
			if total++; total > 1000 {
				return io.EOF
			}
			_, err := io.CopyN(io.Discard, r, int64(n&0xff))
			if err == io.EOF {
				err = nil
			}
			return err
		})
	})
}
