package filetype

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// file returns what file(1) says of a content.
func file(t *testing.T, content string, options ...string) string {
	t.Helper()
	cmd := exec.Command("file", append(options, "-b", "-")...)
	cmd.Stdin = strings.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(out), "\n")
}

const pngHeader = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x30\x00\x00\x00\x20"

// TestDescribe compares with file(1).
func TestDescribe(t *testing.T) {
	testimg.Need(t, "file")
	elf, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"text": "hello\n", "crlf": "a\r\nb\r\n", "no end": "hello", "utf-8": "grüß\n", "latin": "gr\xfc\xdf\n", "data": "\x00\x01\x02\x03zzzz",
		"sh": "#!/bin/sh\necho\n", "bash": "#! /bin/bash\n", "perl": "#!/usr/bin/perl -w\n", "python": "#!/usr/bin/env python3\nprint()\n",
		"make": "#!/usr/bin/make -f\n", "env": "#!/usr/bin/env foo -x\n", "csh": "#! /bin/csh\n",
		"elf": string(elf), "so": "\x7fELF",
		"png": pngHeader + "\x08\x06\x00\x00\x00AAAA", "png, interlaced": pngHeader + "\x04\x03\x00\x00\x01AAAA", "gif": "GIF89a\x0a\x00\x14\x00\x00\x00\x00",
	} {
		want := file(t, content)
		if name == "so" {
			want = "ELF" // which file(1) does not look for
		}
		if got, err := Describe(strings.NewReader(content)); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}

// TestCompressed compares with file(1) what it says of the inside of compressed files.
func TestCompressed(t *testing.T) {
	testimg.Need(t, "file", "gzip", "xz")
	for _, method := range []string{"gzip", "xz"} {
		cmd := exec.Command(method, "-c")
		cmd.Stdin = strings.NewReader("hello\n")
		packed, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		want := file(t, string(packed), "-z")
		if got, err := Describe(bytes.NewReader(packed)); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", method, got, err, want)
		}
		if inner, ok := Unpacked(method, bytes.NewReader(packed)); inner != "ASCII text" || !ok {
			t.Errorf("%s: %q, %t", method, inner, ok)
		}
		if inner, ok := Unpacked("bzip2", bytes.NewReader(packed)); ok {
			t.Errorf("%s as bzip2: %q", method, inner)
		}
	}
}

// TestDevice compares with file(1) what it says of file systems.
func TestDevice(t *testing.T) {
	testimg.Need(t, "file", "mkfs.ext4")
	img := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(img, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, 8<<20); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", "-L", "data", img)
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	want := file(t, string(b))
	got, err := DescribeDevice(bytes.NewReader(b), int64(len(b)))
	if got != want || err != nil {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if got, err := DescribeDevice(bytes.NewReader(nil), 0); got != "empty" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	broken := io.NewSectionReader(strings.NewReader("x"), 0, 1)
	if got, err := DescribeDevice(broken, 1<<20); err != nil {
		t.Errorf("a device that ends early: %q, %v", got, err)
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add([]byte("MZ\x00"))
	f.Add([]byte(pngHeader))
	f.Add([]byte("GIF89a\x00"))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"))
	if b, err := os.ReadFile("/bin/true"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		Describe(bytes.NewReader(b))
		DescribeDevice(bytes.NewReader(b), int64(len(b)))
	})
}
