package vmdk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/disk/vmdk"
	"github.com/unboot/unboot/internal/testimg"
)

// Images that we created are written to by QEMU and us in turn.
func TestCreate(t *testing.T) {
	for i, size := range []int64{0, 512, 5<<20 + 512, 32 << 20, 70<<20 + 7*512} {
		for version := range 3 {
			t.Run(fmt.Sprint(size, " ", version), func(t *testing.T) {
				t.Parallel()
				image := filepath.Join(t.TempDir(), "image.vmdk")
				imgtest.Create(t, "vmdk", image, disk.CreateOptions{Size: size, Version: version, Kind: []string{"", "monolithicSparse"}[i%2]})
				p := imgtest.New("vmdk", image, make([]byte, size), 64<<10, uint64(i))
				if size == 0 {
					d := imgtest.Open(t, "vmdk", image, true)
					if d.Size() != 0 {
						t.Error(d.Size())
					}
					d.Close()
					return
				}
				p.Compare(t)
				p.Run(t, 2)
				testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "vmdk", image)
				imgtest.CheckClean(t, "vmdk", image)
			})
		}
	}
}

// A chain of images that we created, on one of which a parent is written to.
func TestCreateDelta(t *testing.T) {
	dir := t.TempDir()
	content := make([]byte, 6<<20)
	base := filepath.Join(dir, "base.vmdk")
	imgtest.Create(t, "vmdk", base, disk.CreateOptions{Size: 6 << 20})
	imgtest.New("vmdk", base, content, 64<<10, 1).Run(t, 1)
	parent := imgtest.Open(t, "vmdk", base, false)
	image := filepath.Join(dir, "image.vmdk")
	imgtest.Create(t, "vmdk", image, disk.CreateOptions{Backing: "base.vmdk", BackingFormat: "vmdk", Parent: parent})
	parent.Close()
	p := imgtest.New("vmdk", image, content, 64<<10, 2)
	p.Compare(t)
	p.Run(t, 3)

	// Where it was moved to, the parent is beside the image.
	moved := filepath.Join(dir, "moved.vmdk")
	data, _ := os.ReadFile(image)
	data = bytes.Replace(data, []byte("parentFileNameHint=\"base.vmdk\"\n"), []byte("parentFileNameHint=\"/no/base.vmdk\"\n"), 1)
	end := bytes.Index(data, []byte("adapterType"))
	data = append(data[:end], data[end+4:]...) // "/no/" is four bytes
	if err := os.WriteFile(moved, data, 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := openImage(moved)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()

	d = imgtest.Open(t, "vmdk", base, true)
	if _, err := d.WriteAt(make([]byte, 512), 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openImage(image); !errors.Is(err, vmdk.ErrParent) || !strings.Contains(err.Error(), image) {
		t.Errorf("the parent was written to: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	for want, o := range map[string]disk.CreateOptions{
		`of the kind "monolithicFlat"`:       {Size: 512, Kind: "monolithicFlat"},
		"a disk of -1 bytes":                 {Size: -1},
		"images have up to":                  {Size: 1 << 42},
		"grains of 4096 bytes":               {Size: 512, ClusterSize: 4096},
		`compression "zstd"`:                 {Size: 512, Kind: "streamOptimized", Compression: "zstd"},
		`compression "zlib"`:                 {Size: 512, Compression: "zlib"},
		`preallocation "full"`:               {Size: 512, Preallocate: "full"},
		"version 3":                          {Size: 512, Version: 3},
		"image has no parent":                {Size: 512, Kind: "streamOptimized", Backing: "x"},
		"is one too, not a qcow2 image":      {Size: 512, Backing: "x", BackingFormat: "qcow2"},
		`is one too: "x" is not`:             {Size: 512, Backing: "x"},
		`"x\"\ny" of a parent`:               {Size: 512, Backing: "x\"\ny"},
		"version 2 of a streamOptimized ima": {Size: 512, Kind: "streamOptimized", Version: 2},
	} {
		imgtest.CreateFails(t, "vmdk", o, want)
	}
}

// A streamOptimized image is written by several goroutines, out of order, and is one that
// QEMU reads, with its grains in order.
func TestCreateStream(t *testing.T) {
	for i, size := range []int64{0, 512, 64 << 10, 9<<20 + 512, 70 << 20} {
		image := filepath.Join(t.TempDir(), "image.vmdk")
		imgtest.Create(t, "vmdk", image, disk.CreateOptions{Size: size, Kind: "streamOptimized"})
		if _, err := openImage(image); err == nil || !strings.Contains(err.Error(), "not finished") {
			t.Errorf("before it is written: %v", err)
		}
		r := rand.New(rand.NewPCG(7, uint64(i)))
		content := make([]byte, size)
		for at := 0; at < len(content); at += 100 << 10 {
			part := content[at:min(at+100<<10, len(content))]
			switch r.IntN(4) {
			case 0:
				for j := range part {
					part[j] = byte(r.Uint32())
				}
			case 1:
				copy(part, bytes.Repeat([]byte(fmt.Sprintln("text", at)), 10000))
			}
		}
		d := imgtest.Open(t, "vmdk", image, true)
		w, ok := disk.As[disk.CompressedWriter](d)
		if !ok || w.CompressUnit() != 64<<10 || d.Size() != size {
			t.Fatal(ok, d.Size())
		}
		if size > 0 {
			if err := w.WriteCompressed(make([]byte, 512), 512); !errors.Is(err, syscall.EINVAL) {
				t.Error(err)
			}
			if _, err := d.ReadAt(make([]byte, 1), 0); !errors.Is(err, syscall.EBADF) {
				t.Error(err)
			}
		}
		var wg sync.WaitGroup
		pieces := make(chan int64, 8)
		for range 3 {
			wg.Go(func() {
				for off := range pieces {
					if err := w.WriteCompressed(content[off:min(off+1<<20, size)], off); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for off := int64(0); off < size; off += 1 << 20 {
			// What is all zeros may be left out.
			if r.IntN(2) == 0 || len(bytes.Trim(content[off:min(off+1<<20, size)], "\x00")) > 0 {
				pieces <- off
			}
		}
		close(pieces)
		wg.Wait()
		if err := d.Flush(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if size > 0 {
			imgtest.New("vmdk", image, content, 64<<10, 0).Compare(t)
			testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "vmdk", image)
		}
		imgtest.CheckClean(t, "vmdk", image)
		if _, err := source.Open(context.Background(), image, source.Options{Writable: true}); err == nil && size > 0 {
			t.Error("a finished stream is opened for writing")
		} else if _, ok := errors.AsType[*disk.FormatError](err); !ok && size > 0 {
			t.Error(err)
		}
		inOrder(t, image)
	}
}

// inOrder verifies that a stream can be read from start to end: that grains come in the
// order of the disk, each grain table and the directory after what they refer to.
func inOrder(t *testing.T, image string) {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	u32 := func(at int) int { return int(b[at]) | int(b[at+1])<<8 | int(b[at+2])<<16 | int(b[at+3])<<24 }
	last, kinds := -1, ""
	for at := 128 * 512; at < len(b); {
		size := u32(at + 8)
		if size > 0 {
			if lba := u32(at); lba <= last || lba%128 != 0 {
				t.Fatalf("sector %d follows %d", lba, last)
			} else {
				last = lba
			}
			if !strings.HasSuffix(kinds, "g") {
				kinds += "g"
			}
			at += (12 + size + 511) &^ 511
			continue
		}
		kind := u32(at + 12)
		kinds += fmt.Sprint(kind)
		at += 512
		if kind > 0 {
			at += u32(at-512) * 512
		}
	}
	if want := strings.Repeat("g1", strings.Count(kinds, "1")) + "230"; kinds != want {
		t.Errorf("the file has %s, want %s", kinds, want)
	}
}

// A grain that comes when its turn has passed is an error, and the image is not finished.
func TestStreamOrder(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image.vmdk")
	imgtest.Create(t, "vmdk", image, disk.CreateOptions{Size: 100 << 20, Kind: "streamOptimized"})
	d := imgtest.Open(t, "vmdk", image, true)
	noise := make([]byte, 64<<10)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for _, grain := range []int64{1, 0, 5, 3} {
		if _, err := d.WriteAt(noise, grain<<16); err != nil {
			t.Fatal(err)
		}
	}
	for _, grain := range []int64{0, 1, 3} {
		if _, err := d.WriteAt(noise, grain<<16); !errors.Is(err, syscall.ESPIPE) {
			t.Errorf("grain %d again: %v", grain, err)
		}
	}
	for grain := int64(10); grain < 600; grain++ {
		if _, err := d.WriteAt(noise, grain<<16); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.WriteAt(noise, 4<<16); !errors.Is(err, syscall.ESPIPE) {
		t.Errorf("late: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	imgtest.CheckClean(t, "vmdk", image)
}
