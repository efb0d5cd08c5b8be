// Package testguest makes disks with operating systems on them that are nothing but the
// files by which inspection knows them: small, and made in a moment. A real Debian is in
// package testimg.
//
// The file systems are made by the tools that administrators use, and filled by unboot
// itself, so that none of it needs root.
package testguest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// Files are the contents of files by their paths. "-> TARGET" makes a symbolic link, and
// a path with a slash at its end a directory.
type Files map[string]string

// disk makes an image with a partition table: a script of sfdisk.
func disk(t testing.TB, mib int64, script string) string {
	t.Helper()
	testimg.Need(t, "sfdisk")
	image := blank(t, mib)
	cmd := exec.Command("sfdisk", "-q", image)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	return image
}

func blank(t testing.TB, mib int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, mib<<20)); err != nil {
		t.Fatal(err)
	}
	return name
}

// format makes a file system and puts it at its place, which is given in MiB.
func format(t testing.TB, image string, start, mib int64, mkfs ...string) {
	t.Helper()
	testimg.Need(t, mkfs[0], "dd")
	part := blank(t, mib)
	testimg.MustRun(t, mkfs[0], append(mkfs[1:], part)...)
	testimg.MustRun(t, "dd", "if="+part, "of="+image, "bs=1M", fmt.Sprint("seek=", start), "conv=notrunc,sparse", "status=none")
	os.Remove(part)
}

// Change opens an image for writing. In a program without the kernel the test is skipped.
func Change(t testing.TB, image string, do func(img *unboot.Image) error) {
	t.Helper()
	img, err := unboot.Open(context.Background(), image, unboot.Writable())
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	if err == nil {
		err = errors.Join(do(img), img.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Fill writes files into the file system of a device. options are of its mount.
func Fill(t testing.TB, image, device, options string, files Files) {
	t.Helper()
	Change(t, image, func(img *unboot.Image) error { return fill(img, device, options, files) })
}

func fill(img *unboot.Image, device, options string, files Files) error {
	f, err := img.Mount(device, unboot.Data(options))
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name]
		err := f.MkdirAll(path.Dir(name), 0o755)
		target, link := strings.CutPrefix(text, "-> ")
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
		case link:
			err = f.Symlink(target, name)
		default:
			err = f.WriteFile(name, []byte(text), 0o644)
		}
		if err != nil {
			return errors.Join(err, f.Unmount())
		}
	}
	return f.Unmount()
}

// ELF is the head of a program for x86_64, see elf(5).
func ELF() string {
	b := make([]byte, 64)
	copy(b, "\x7fELF\x02\x01\x01")
	b[16], b[18], b[20], b[52], b[54], b[58] = 2, 62, 1, 64, 56, 64
	return string(b)
}

// pe is the head of a program for Windows on x86_64, see Microsoft's "PE Format".
func pe() string {
	b := make([]byte, 1024)
	le := binary.LittleEndian
	copy(b, "MZ")
	b[0x3c] = 0x80
	h := b[0x80:]
	copy(h, "PE\x00\x00")
	le.PutUint16(h[4:], 0x8664)
	le.PutUint16(h[20:], 240)    // size of the optional header
	le.PutUint16(h[22:], 0x22)   // executable
	le.PutUint16(h[24:], 0x20b)  // PE32+
	le.PutUint16(h[24+68:], 3)   // for the console
	le.PutUint32(h[24+108:], 16) // directories
	return string(b)
}
