package ahead

import (
	"strings"
	"testing"

	"github.com/unboot/unboot"
)

// The kernel that is prepared has to be the one that package unboot asks for.
func TestMemory(t *testing.T) {
	if writeMemory != unboot.WritableMemory || programMemory != unboot.DefaultProgramMemory {
		t.Error("package unboot has other defaults")
	}
}

func TestGuess(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "")
	for line, want := range map[string]int64{
		"ls disk.img":                           readMemory,
		"cat disk.img:/etc/fstab":               readMemory,
		"tar disk.img":                          readMemory,
		"tar -c disk.img:/x":                    readMemory,
		"tar -x disk.img:/x":                    writeMemory,
		"tar -xf a.tar disk.img:/x":             writeMemory,
		"tar --extract disk.img:/x":             writeMemory,
		"cp disk.img:/a b":                      readMemory,
		"cp a disk.img:/b":                      writeMemory,
		"rm disk.img:/a":                        writeMemory,
		"exec disk.img -- ls -r":                writeMemory,
		"exec -r disk.img -- ls":                readMemory,
		"exec --read-only disk.img -- ls":       readMemory,
		"tool disk.img -- vgs":                  writeMemory,
		"shell":                                 0,
		"ls":                                    0,
		"ls --help":                             0,
		"convert a b":                           0,
		"hv -device virtio-blk":                 0,
		"":                                      0,
		"--version":                             0,
		"customize disk.img --hostname example": writeMemory,
	} {
		got, ok := guess(strings.Fields(line))
		if got != want || ok != (want != 0) {
			t.Errorf("%q: %d, %t, want %d", line, got, ok, want)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1")
	if _, ok := guess([]string{"ls", "disk.img"}); ok {
		t.Error("a kernel with another clock was prepared")
	}
}
