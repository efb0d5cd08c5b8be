package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/lkl/internal/vmlinux"
)

// A program that is built again with the image that was moved has the kernel at the start
// of a page, wherever it was before, and is then left alone.
func TestAlign(t *testing.T) {
	kernel := []byte("\x7fELF" + strings.Repeat("the kernel ", 1000))
	for _, before := range []int{1, 4095, 4096, 5000, 3 * 4096} {
		dir := t.TempDir()
		program, image := filepath.Join(dir, "program"), filepath.Join(dir, "image")
		build := func() int { // as the linker does: the embedded file as it is
			img, err := os.ReadFile(image)
			if err != nil {
				t.Fatal(err)
			}
			prog := append(bytes.Repeat([]byte("x"), before), img...)
			if err := os.WriteFile(program, append(prog, "the rest"...), 0o755); err != nil {
				t.Fatal(err)
			}
			if img = img[vmlinux.Padding(img):]; !bytes.Equal(img, kernel) {
				t.Fatalf("after %d bytes: the kernel has changed", before)
			}
			return bytes.Index(prog, kernel)
		}
		if err := os.WriteFile(image, kernel, 0o644); err != nil {
			t.Fatal(err)
		}
		build()
		for range 2 {
			if err := align(program, image); err != nil {
				t.Fatal(err)
			}
			if at := build(); at%page != 0 || at-before >= page {
				t.Errorf("after %d bytes: the kernel is at %d", before, at)
			}
		}
	}
}

// A program without the kernel, or no program at all, is an error, and changes nothing.
func TestAlignErrors(t *testing.T) {
	dir := t.TempDir()
	program, image := filepath.Join(dir, "program"), filepath.Join(dir, "image")
	for name, content := range map[string]string{program: "nothing", image: "\x7fELF kernel"} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := align(program, image); err == nil || !strings.Contains(err.Error(), "is not in it") {
		t.Error(err)
	}
	if err := align(filepath.Join(dir, "none"), image); !os.IsNotExist(err) {
		t.Error(err)
	}
	if b, err := os.ReadFile(image); err != nil || string(b) != "\x7fELF kernel" {
		t.Errorf("%q, %v", b, err)
	}
}
