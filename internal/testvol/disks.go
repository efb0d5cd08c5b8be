package testvol

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/unboot/unboot/internal/nonzero"
	"github.com/unboot/unboot/internal/testimg"
)

//go:embed testdata
var testdata embed.FS

// Names returns the names of all fixtures.
func Names() (list []string) {
	dirs, err := testdata.ReadDir("testdata")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, d := range dirs {
		list = append(list, d.Name())
	}
	return list
}

// Unpack returns the host paths of a fixture's disks, raw and sparse, in their order. They are
// shared by all tests and must not change: see [testimg.Cached].
func Unpack(t testing.TB, name string) (paths []string) {
	t.Helper()
	err := each(name, func(image, key string, make func(out string) error) error {
		paths = append(paths, testimg.Cached(t, image, key, make))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Build is [Unpack] for programs that are not tests.
func Build(name string) (paths []string, err error) {
	err = each(name, func(image, key string, make func(out string) error) error {
		p, err := testimg.Build(image, key, make)
		paths = append(paths, p)
		return err
	})
	return paths, err
}

// each calls f with the disks of a fixture, as [testimg.Cached] takes them.
func each(name string, f func(image, key string, make func(out string) error) error) error {
	disks, err := fs.Glob(testdata, path.Join("testdata", name, "sd?.zst"))
	if err != nil || len(disks) == 0 {
		return fmt.Errorf("there is no fixture %q", name)
	}
	for _, disk := range disks {
		packed, err := testdata.ReadFile(disk)
		if err != nil {
			return err
		}
		err = f(name+"-"+path.Base(disk)[:len("sda")], string(packed), func(out string) error { return unpack(packed, out) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Writable returns the host paths of private copies of a fixture's disks, in their order.
func Writable(t testing.TB, name string) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i, from := range Unpack(t, name) {
		to := filepath.Join(dir, name+"-sd"+string(rune('a'+i)))
		if err := testimg.Copy(from, to); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, to)
	}
	return paths
}

// unpack writes a disk, with a hole wherever it has a block of zeros.
func unpack(packed []byte, out string) error {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := r.DecodeAll(packed, nil)
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := writeSparse(f, data); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func writeSparse(f *os.File, data []byte) error {
	if err := f.Truncate(int64(len(data))); err != nil {
		return err
	}
	const blockSize = 4096
	for off := 0; off < len(data); off += blockSize {
		block := data[off:min(off+blockSize, len(data))]
		if !nonzero.In(block) {
			continue
		}
		if _, err := f.WriteAt(block, int64(off)); err != nil {
			return err
		}
	}
	return nil
}
