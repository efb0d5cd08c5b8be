package hostile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// maxImage leaves out an image that is too large to unpack in a test.
const maxImage = 512 << 20

// TestE2fsprogs opens the images of e2fsprogs' own tests, which have been broken with
// care.
func TestE2fsprogs(t *testing.T) {
	f := rig.Open(t, testimg.Source(t, "e2fsprogs"), os.O_RDONLY)
	z, err := gzip.NewReader(f)
	rig.Check(t, "gzip", err)
	r := newRange()
	defer r.close()
	image := memory(t) + "/image"
	n := 0
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		rig.Check(t, "tar", err)
		if path.Base(h.Name) != "image.gz" {
			continue
		}
		if testing.Short() && n%15 != 0 {
			n++
			continue
		}
		packed, err := gzip.NewReader(archive)
		if err != nil {
			continue // a test of another kind
		}
		if err := unpack(packed, image); err != nil {
			t.Logf("%s: %v", h.Name, err)
			continue
		}
		n++
		name := path.Base(path.Dir(h.Name))
		for _, flags := range []uintptr{unix.MS_RDONLY, 0} {
			check := rig.Unchanged(t, image)
			if err := r.shoot(t, image, "ext4", "", flags); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			check()
		}
	}
	t.Logf("%d images, each read-only and writable: %v", n, r)
	if n < 150 {
		t.Errorf("only %d images were found", n)
	}
}

// unpack writes an image with holes where it is zeros.
func unpack(r io.Reader, image string) error {
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	zero := make([]byte, len(buf))
	var size int64
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 && !bytes.Equal(buf[:n], zero[:n]) {
			if _, err := f.WriteAt(buf[:n], size); err != nil {
				return err
			}
		}
		if size += int64(n); size > maxImage {
			return errors.New("too large")
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return f.Truncate(size)
		}
		if err != nil {
			return err
		}
	}
}
