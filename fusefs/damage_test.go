package fusefs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
)

// TestUnreadable: of a file with a block that cannot be read, the host gets the pages that are good
// and an error for the others, whatever it asks for first. It never takes the error for the end of the
// file.
func TestUnreadable(t *testing.T) {
	testimg.Need(t, "mksquashfs")
	for _, c := range []struct {
		name         string
		files, size  int
		block, bytes int // of the file system, and of one request
	}{
		{"small", 1, 100000, 4096, 32 << 10},
		{"middle", 1, 1<<20 + 777, 4096, 16 << 10},
		{"large", 1, 3<<20 + 777, 64 << 10, 1 << 20},
		{"many", 40, 20000, 4096, 128 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tree, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
			want := map[string][]byte{}
			for i := range c.files {
				// It is compressed, which is what shows the damage.
				var data []byte
				for n := 0; len(data) < c.size; n++ {
					data = fmt.Appendf(data, "%x\n", testimg.Pattern(16, uint64(i*c.size+n)))
				}
				name := fmt.Sprint("f", i)
				want[name] = data[:c.size]
				must(t, os.WriteFile(filepath.Join(tree, name), want[name], 0o644))
			}
			testimg.MustRun(t, "mksquashfs", tree, image, "-quiet", "-no-progress", "-no-fragments", "-comp", "gzip", "-b", fmt.Sprint(c.block))
			damageData(t, image)

			// The engine tells which of them it is.
			var bad string
			fsys := open(t, image)
			for name, data := range want {
				if got, err := fsys.ReadFile(name); errors.Is(err, unix.EIO) && bad == "" {
					bad = name
				} else if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%s, besides %s: %d bytes, %v", name, bad, len(got), err)
				}
			}
			if bad == "" {
				t.Fatal("all can be read")
			}

			for _, order := range []string{"whole", "pages"} {
				dir := mount(t, image, nil)
				entries, err := os.ReadDir(dir)
				must(t, err)
				if len(entries) != c.files {
					t.Fatalf("%d files", len(entries))
				}
				read := func() {
					for _, e := range entries {
						checkDamaged(t, filepath.Join(dir, e.Name()), want[e.Name()], c.bytes, e.Name() == bad)
					}
				}
				if order == "whole" {
					read()
				}
				path := filepath.Join(dir, bad)
				checkPages(t, path, want[bad], c.block)
				read()
				checkPages(t, path, want[bad], c.block)
			}
		})
	}
}

// damageData damages the middle of the data of a SquashFS, which come before its tables.
func damageData(t *testing.T, image string) {
	t.Helper()
	w, err := os.OpenFile(image, os.O_RDWR, 0)
	must(t, err)
	defer w.Close()
	var super [96]byte
	_, err = w.ReadAt(super[:], 0)
	must(t, err)
	end := int64(binary.LittleEndian.Uint64(super[64:])) // of the inodes
	_, err = w.WriteAt(bytes.Repeat([]byte{0xff}, 32), (int64(len(super))+end)/2)
	must(t, err)
}

// checkDamaged reads a file from its start on.
func checkDamaged(t *testing.T, path string, want []byte, size int, damaged bool) {
	t.Helper()
	r, err := os.Open(path)
	must(t, err)
	defer r.Close()
	got, buf := []byte{}, make([]byte, size)
	for err == nil {
		var n int
		n, err = r.Read(buf)
		got = append(got, buf[:n]...)
	}
	switch {
	case damaged && (!errors.Is(err, unix.EIO) || len(got) == 0 || len(got) == len(want) || !bytes.HasPrefix(want, got)):
		t.Errorf("%s, which is damaged: %d bytes of %d, %v", path, len(got), len(want), err)
	case !damaged && (err != io.EOF || !bytes.Equal(got, want)):
		t.Errorf("%s: %d bytes of %d, %v", path, len(got), len(want), err)
	}
	if st, err := r.Stat(); err != nil || st.Size() != int64(len(want)) {
		t.Errorf("%s: its size has become %d, %v", path, st.Size(), err)
	}
}

// checkPages reads each page of a damaged file: all are good but those of the block, or of two, on
// whose border the damage may be.
func checkPages(t *testing.T, path string, want []byte, block int) {
	t.Helper()
	r, err := os.Open(path)
	must(t, err)
	defer r.Close()
	bad := map[int]bool{}
	for at := 0; at < len(want); at += 4096 {
		buf := make([]byte, min(4096, len(want)-at))
		n, err := r.ReadAt(buf, int64(at))
		switch {
		case errors.Is(err, unix.EIO):
			bad[at/block] = true
		case err != nil || !bytes.Equal(buf, want[at:at+len(buf)]):
			t.Errorf("%s: %d bytes at %d: %v", path, n, at, err)
		}
	}
	if len(bad) == 0 || len(bad) > 2 {
		t.Errorf("%s: %d blocks are bad", path, len(bad))
	}
}
