package ova_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/disk/ova"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

// descriptor names disks.
func descriptor(names ...string) []byte {
	files, disks := "", ""
	for i, name := range names {
		files += fmt.Sprintf(`<File ovf:id="file%d" ovf:href="%s" ovf:size="1"/>`, i, name)
		disks += fmt.Sprintf(`<Disk ovf:diskId="disk%d" ovf:fileRef="file%d" ovf:capacity="1"/>`, i, i)
	}
	return []byte(`<?xml version="1.0"?>
<Envelope ovf:version="1.0" xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:id="iso" ovf:href="a.iso"/>` + files + `</References>
  <DiskSection><Info>disks</Info>` + disks + `<Disk ovf:diskId="new" ovf:capacity="5"/></DiskSection>
  <VirtualSystem ovf:id="vm"><Info/></VirtualSystem>
</Envelope>`)
}

type file struct {
	name string
	b    []byte
}

// archive makes a package.
func archive(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.b)), Mode: 0o644, Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		w.Write(f.b)
	}
	w.Close()
	return b.Bytes()
}

func stream(t testing.TB, content []byte) []byte {
	t.Helper()
	testimg.Need(t, "qemu-img")
	b, err := os.ReadFile(imgtest.Convert(t, content, "vmdk", "-o", "subformat=streamOptimized"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A disk in a package is read where it is; of several, one is named.
func TestPackage(t *testing.T) {
	ctx := context.Background()
	first, second := imgtest.Content(1<<20, 1), imgtest.Content(1<<19, 2)
	one := archive(t, file{"vm.ovf", descriptor("a.vmdk")}, file{"vm.mf", []byte("SHA1")}, file{"a.vmdk", stream(t, first)})
	two := archive(t, file{"vm.ovf", descriptor("a.vmdk", "b.vmdk")}, file{"a.vmdk", stream(t, first)}, file{"b.vmdk", stream(t, second)})
	dir := imgtest.Write(t, map[string][]byte{"one.ova": one, "two.ova": two})
	read := func(name string, want []byte) {
		t.Helper()
		d, err := source.Open(ctx, filepath.Join(dir, name), source.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if got := testdisk.ReadAll(t, d); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes differ", name, len(got))
		}
	}
	read("one.ova", first)
	read("two.ova#a.vmdk", first)
	read("two.ova#b.vmdk", second)
	for name, want := range map[string]string{
		"two.ova":        `it has "a.vmdk" "b.vmdk"; name one, as IMAGE#a.vmdk`,
		"two.ova#c.vmdk": `there is no disk "c.vmdk"`,
		"one.ova#b.vmdk": `there is no disk "b.vmdk"; it has: "a.vmdk"`,
	} {
		if _, err := source.Open(ctx, filepath.Join(dir, name), source.Options{}); !errors.Is(err, ova.ErrDisks) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if info, err := source.Stat(ctx, filepath.Join(dir, "one.ova"), source.Options{}); err != nil || info.Size != 1<<20 || info.Format != "ova" {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := source.Open(ctx, filepath.Join(dir, "one.ova"), source.Options{Writable: true}); err == nil {
		t.Error("it can be written to")
	}
}

// A descriptor beside its disk, which has to be allowed.
func TestDescriptor(t *testing.T) {
	content := imgtest.Content(1<<20, 1)
	dir := imgtest.Write(t, map[string][]byte{"vm.ovf": descriptor("a.vmdk"), "a.vmdk": stream(t, content)})
	name := filepath.Join(dir, "vm.ovf")
	if _, err := source.Open(context.Background(), name, source.Options{}); !errors.Is(err, disk.ErrNotAllowed) {
		t.Error(err)
	}
	d := imgtest.Open(t, "", name, false)
	defer d.Close()
	if got := testdisk.ReadAll(t, d); !bytes.Equal(got, content) {
		t.Error("the content differs")
	}
}

func TestDamage(t *testing.T) {
	vm := file{"vm.ovf", descriptor("a.vmdk")}
	whole := archive(t, vm, file{"a.vmdk", make([]byte, 4096)})
	for want, b := range map[string][]byte{
		`the disk "a.vmdk" is not in the archive`: archive(t, vm, file{"b.vmdk", nil}),
		`"a.vmdk": not a VMDK image`:              whole,
		"was it truncated":                        whole[:4000],
		"the archive, near":                       append(bytes.Clone(whole[:1024*((len(vm.b)+1535)/1024)]), bytes.Repeat([]byte("x"), 1024)...),
		"it has none":                             archive(t, file{"vm.ovf", descriptor()}),
		"the descriptor: XML":                     archive(t, file{"vm.ovf", []byte("<Envelope><")}),
		"is compressed":                           archive(t, file{"vm.ovf", bytes.Replace(descriptor("a.vmdk.gz"), []byte(`ovf:size="1"`), []byte(`ovf:compression="gzip"`), 1)}),
		`a disk is at "http://x/a.vmdk"`:          archive(t, file{"vm.ovf", descriptor("http://x/a.vmdk")}),
	} {
		_, err := ova.Open(testdisk.ReadOnly(b), "image.ova", nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "image.ova") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add(archive(f, file{"vm.ovf", descriptor("a.vmdk")}, file{"a.vmdk", stream(f, imgtest.Content(10000, 1))}))
	f.Add(descriptor("a.vmdk"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ova.Open(testdisk.ReadOnly(b), "image.ova", nil)
		if err == nil {
			testdisk.Exercise(t, d)
		}
		ova.Stat(testdisk.ReadOnly(b))
	})
}
