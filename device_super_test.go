package unboot_test

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// TestSuper mounts a partition of a super.img, as lpmake lays it out: an ext4 that lies in
// two pieces, the second before the first.
func TestSuper(t *testing.T) {
	fsys := testimg.FS(t, "ext4", testimg.Options{Size: 8 << 20, Tree: true,
		Nodes: []testimg.Node{{Path: "inside", Mode: 0o644, Size: 5, Chunks: []testimg.Chunk{{Data: []byte("here\n")}}}}})
	data, err := os.ReadFile(fsys)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	seal := func(b []byte, at int) {
		sum := sha256.Sum256(b)
		copy(b[at:], sum[:])
	}
	image := make([]byte, 16<<20)
	half := len(data) / 2
	copy(image[8<<20:], data[:half])
	copy(image[1<<20:], data[half:])
	geometry := make([]byte, 52)
	for i, n := range []uint32{0x616c4467, 52} {
		le.PutUint32(geometry[4*i:], n)
	}
	for i, n := range []uint32{4096, 1, 4096} {
		le.PutUint32(geometry[40+4*i:], n)
	}
	seal(geometry, 8)
	copy(image[4096:], geometry)
	tables := make([]byte, 52+2*24+64)
	copy(tables, "system_a")
	le.PutUint32(tables[36:], 1) // for reading only
	le.PutUint32(tables[44:], 2)
	for i, off := range []uint64{8 << 20, 1 << 20} {
		le.PutUint64(tables[52+24*i:], uint64(half/512))
		le.PutUint64(tables[52+24*i+12:], off/512)
	}
	le.PutUint64(tables[100:], 2048)
	head := make([]byte, 128)
	le.PutUint32(head, 0x414c5030)
	le.PutUint16(head[4:], 10)
	le.PutUint32(head[8:], 128)
	le.PutUint32(head[44:], uint32(len(tables)))
	sum := sha256.Sum256(tables)
	copy(head[48:], sum[:])
	for i, d := range [][3]uint32{{0, 1, 52}, {52, 2, 24}, {100, 0, 48}, {100, 1, 64}} {
		for j, n := range d {
			le.PutUint32(head[80+12*i+4*j:], n)
		}
	}
	seal(head, 12)
	copy(image[3*4096:], append(head, tables...))
	path := filepath.Join(t.TempDir(), "super.img")
	if err := os.WriteFile(path, image, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, sparse(t, path)} {
		img := open(t, path)
		fs, err := img.Mount("/dev/mapper/system_a", unboot.ReadOnly())
		if err != nil {
			t.Error(err)
			continue
		}
		if got, err := fs.ReadFile("inside"); string(got) != "here\n" {
			t.Errorf("%q, %v", got, err)
		}
		fs.Close()
	}
}

// sparse makes a sparse image of Android, which is how such a file comes, or returns the
// path that it got if there is no tool for it.
func sparse(t *testing.T, path string) string {
	if _, err := exec.LookPath("img2simg"); err != nil {
		return path
	}
	testimg.MustRun(t, "img2simg", path, path+".sparse")
	return path + ".sparse"
}
