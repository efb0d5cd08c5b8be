package bintext

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// sample has strings in each of the encodings, at even and odd offsets, and repeated lines.
func sample() []byte {
	var b bytes.Buffer
	b.WriteString("\x00\x01abc\x00abcd\x7fxyz")
	b.Write(make([]byte, 100))
	b.WriteString("high \xe9\xe8 bytes\n\tand a tab\x02")
	for _, order := range []int{0, 1, 3} {
		width := max(order+1, 2)
		b.WriteByte(0)
		for _, c := range []byte("wide text") {
			unit := make([]byte, width)
			unit[order] = c
			b.Write(unit)
		}
		b.Write([]byte{0xff, 0xff, 0xff})
	}
	for _, c := range []byte("little of four") {
		b.Write([]byte{c, 0, 0, 0})
	}
	b.Write(bytes.Repeat([]byte("0123456789abcdef"), 5))
	b.WriteString("end")
	return b.Bytes()
}

// TestStrings compares with strings(1).
func TestStrings(t *testing.T) {
	testimg.Need(t, "strings")
	name := filepath.Join(t.TempDir(), "sample")
	if err := os.WriteFile(name, sample(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, letter := range []string{"s", "S", "b", "l", "B", "L"} {
		out, err := exec.Command("strings", "-a", "-e", letter, name).Output()
		if err != nil {
			t.Fatal(err)
		}
		e, ok := ParseEncoding(letter)
		if !ok {
			t.Fatal(letter)
		}
		var got []string
		err = Strings(bytes.NewReader(sample()), e, 1<<20, func(run []byte) error {
			got = append(got, string(run))
			return nil
		})
		if want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", letter, got, err, want)
		}
	}
	if _, ok := ParseEncoding("x"); ok {
		t.Error("an encoding x")
	}
	stop := errors.New("stop")
	if err := Strings(strings.NewReader("abcd\x00efgh"), ASCII, 10, func([]byte) error { return stop }); err != stop {
		t.Error(err)
	}
	if err := Strings(strings.NewReader("a long one"), ASCII, 5, func([]byte) error { return nil }); err != bufio.ErrTooLong {
		t.Error(err)
	}
}

// TestHexdump compares with hexdump(1).
func TestHexdump(t *testing.T) {
	testimg.Need(t, "hexdump")
	for _, n := range []int{0, 1, 16, 17, 48, len(sample())} {
		data := sample()[:n]
		cmd := exec.Command("hexdump", "-C")
		cmd.Stdin = bytes.NewReader(data)
		want, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := Hexdump(&got, bytes.NewReader(data)); err != nil || got.String() != string(want) {
			t.Errorf("%d bytes: %v\n%s\nhexdump says\n%s", n, err, got.String(), want)
		}
	}
	r, w := io.Pipe()
	r.Close()
	// A reader without an end.
	if err := Hexdump(w, io.MultiReader(bytes.NewReader(sample()), endless{})); err != io.ErrClosedPipe {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i / 16)
	}
	return len(p), nil
}

func FuzzStrings(f *testing.F) {
	f.Add(sample(), "s")
	f.Fuzz(func(t *testing.T, data []byte, letter string) {
		e, ok := ParseEncoding(letter)
		if !ok {
			return
		}
		Strings(bytes.NewReader(data), e, 100, func(run []byte) error {
			if len(run) < minString || len(run) > 100 {
				t.Errorf("%q", run)
			}
			return nil
		})
	})
}
