package compression

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestPrograms exchanges streams with the programs of the same names.
func TestPrograms(t *testing.T) {
	content := []byte(strings.Repeat("hello, world\n", 10000))
	for _, name := range []string{"gzip", "bzip2", "xz", "zstd", "lzop"} {
		t.Run(name, func(t *testing.T) {
			testimg.Need(t, name)
			run := func(in []byte, args ...string) []byte {
				t.Helper()
				cmd := exec.Command(name, args...)
				cmd.Stdin = bytes.NewReader(in)
				out, err := cmd.Output()
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			packed := run(content, "-c")
			if got := Detect(packed[:6]); got != name {
				t.Errorf("detected as %q", got)
			}
			// Two streams are read as one.
			z, err := NewReader(name, bytes.NewReader(append(bytes.Clone(packed), packed...)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(z); err != nil || string(got) != string(content)+string(content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if name == "bzip2" || name == "lzop" {
				if _, err := NewWriter(name, 0, io.Discard); !errors.Is(err, ErrUnknown) {
					t.Error(err)
				}
				return
			}
			for level := range 10 {
				var b bytes.Buffer
				w, err := NewWriter(name, level, &b)
				if err != nil {
					t.Fatal(err)
				}
				w.Write(content)
				if err := w.Close(); err != nil {
					t.Error(err)
				}
				if got := run(b.Bytes(), "-dc"); string(got) != string(content) {
					t.Errorf("level %d: %d bytes", level, len(got))
				}
			}
		})
	}
}

// TestMemory finds that a stream cannot ask for more memory than the bound.
func TestMemory(t *testing.T) {
	testimg.Need(t, "xz")
	cmd := exec.Command("xz", "-c", "--lzma2=dict=256MiB")
	cmd.Stdin = strings.NewReader("x")
	packed, err := cmd.Output()
	if err != nil {
		t.Skip(err)
	}
	z, err := NewReader("xz", bytes.NewReader(packed))
	if err == nil {
		_, err = io.ReadAll(z)
	}
	if err == nil {
		t.Error("a dictionary of 256 MiB is taken")
	}
}

func TestUnknown(t *testing.T) {
	for _, name := range []string{"lzma", "compress", "GZIP"} {
		if _, err := NewReader(name, strings.NewReader("")); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := NewWriter(name, 0, io.Discard); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := Detect([]byte("plain")); got != "" {
		t.Errorf("%q", got)
	}
}
