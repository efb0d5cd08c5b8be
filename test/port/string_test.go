// Package port tests pieces of the kernel port outside of a kernel.
package port

import (
	"runtime"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestString compiles the kernel's memory functions into a program that compares
// them with what they are to do.
func TestString(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("for x86-64 only, as yet")
	}
	testimg.Need(t, "gcc")
	program := t.TempDir() + "/string"
	testimg.MustRun(t, "gcc", "-O2", "-fno-builtin", "-I", "testdata", "-o", program,
		"testdata/string.c", "../../kernel/arch/lkl/host/x86_64/string.S")
	testimg.MustRun(t, program)
}
