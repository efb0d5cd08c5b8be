package qcow2

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// created makes an image by Create.
func created(t testing.TB, o disk.CreateOptions) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new.qcow2")
	d, err := disk.CreateRaw(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := Create(d, path, o); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is created is what qemu-img says that was wanted, and it finds nothing wrong.
func TestCreate(t *testing.T) {
	base := filepath.Join(t.TempDir(), "base")
	if err := os.WriteFile(base, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, o := range []disk.CreateOptions{
		{Size: 1 << 30},
		{Size: 1 << 20, Version: 2},
		{Size: 512},
		{},
		{Size: 1000},
		{Size: 1 << 40},
		{Size: 1 << 30, ClusterSize: 512},
		{Size: 1 << 30, ClusterSize: 2 << 20},
		{Size: 1 << 30, Compression: "zstd"},
		{Size: 1 << 30, Backing: base, BackingFormat: "raw"},
		{Size: 1 << 30, Backing: base, BackingFormat: "raw", Version: 2},
		{Size: 1 << 30, Backing: base, BackingFormat: "raw", ClusterSize: 512},
		{Size: 5<<20 + 512, Preallocate: "metadata"},
		{Size: 5<<20 + 512, Preallocate: "metadata", ClusterSize: 512},
		{Size: 5<<20 + 512, Preallocate: "falloc", ClusterSize: 2 << 20},
		{Size: 5<<20 + 512, Preallocate: "full", Version: 2},
		{Size: 8 << 30, Preallocate: "metadata", ClusterSize: 4096},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			path := created(t, o)
			var info struct {
				Size     int64  `json:"virtual-size"`
				Cluster  int64  `json:"cluster-size"`
				Backing  string `json:"backing-filename"`
				Format   string `json:"backing-filename-format"`
				Specific struct {
					Data struct {
						Compat      string
						Compression string `json:"compression-type"`
					}
				} `json:"format-specific"`
			}
			out := testimg.MustRun(t, "qemu-img", "info", "--output=json", path)
			if err := json.Unmarshal([]byte(out), &info); err != nil {
				t.Fatal(err)
			}
			compat := map[int]string{0: "1.1", 2: "0.10", 3: "1.1"}[o.Version]
			if info.Size != (o.Size+511)&^511 || info.Cluster != max(o.ClusterSize, 512) && o.ClusterSize != 0 || info.Backing != o.Backing || info.Format != o.BackingFormat ||
				info.Specific.Data.Compat != compat || o.Compression != "" && info.Specific.Data.Compression != o.Compression {
				t.Errorf("%s", out)
			}
			testimg.MustRun(t, "qemu-img", "check", "-f", "qcow2", path)
			allocated := int64(0)
			if o.Size <= 1<<30 && o.Backing == "" && o.Size > 0 {
				for e, err := range open(t, path).Extents(0, o.Size) {
					if err != nil {
						t.Fatal(err)
					}
					if e.Kind == disk.Data {
						allocated += e.Size
					}
				}
				if want := o.Preallocate != ""; want != (allocated == o.Size) {
					t.Errorf("%d bytes are allocated", allocated)
				}
			}
			if o.Preallocate == "falloc" || o.Preallocate == "full" {
				testimg.MustRun(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", emptyFile(t, (o.Size+511)&^511), path)
			}
		})
	}
	for _, o := range []disk.CreateOptions{
		{Size: -1}, {Size: 1 << 30, ClusterSize: 3000}, {Size: 1, ClusterSize: 4 << 20}, {Size: 1, Version: 1}, {Size: 1, Kind: "fixed"},
		{Size: 1, Compression: "lz4"}, {Size: 1, Compression: "zstd", Version: 2}, {Size: 1, Preallocate: "some"},
		{Size: 1, Preallocate: "full", Backing: "b"}, {Size: 1 << 50, ClusterSize: 512}, {Size: 1, Backing: "a\x00b"},
	} {
		d, err := disk.CreateRaw(filepath.Join(t.TempDir(), "new"))
		if err != nil {
			t.Fatal(err)
		}
		if err := Create(d, "new", o); err == nil || d.Size() != 0 {
			t.Errorf("%+v: %v, %d bytes", o, err, d.Size())
		}
		d.Close()
	}
}

// emptyFile makes a file of zeros.
func emptyFile(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "zeros")
	f, err := os.Create(path)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	return path
}
