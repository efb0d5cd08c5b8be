package source

import (
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
)

const (
	rawFormat = "raw"
	// splitFormat is that of a raw disk which goes on in other files. No content shows it.
	splitFormat = "split"
)

func openRaw(d disk.Device, _ string, _ func(disk.Reference) (disk.Device, error)) (disk.Device, error) {
	if err := checkSize(d); err != nil {
		return nil, err
	}
	return d, nil
}

func statRaw(d disk.Device) (int64, []disk.Reference, error) { return d.Size(), nil, checkSize(d) }

// checkSize returns an error for a raw disk that is smaller than a sector.
func checkSize(d disk.Device) error {
	if d.Size() < disk.MinSize {
		return disk.ErrTooSmall
	}
	return nil
}

// createRaw makes room for a raw disk: a hole, or with preallocation "falloc" room of the
// host's that reads as zeros, or with "full" zeros that were written.
func createRaw(d disk.Device, path string, o disk.CreateOptions) error {
	err := makeRaw(d, o)
	if err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: err}
	}
	return nil
}

func makeRaw(d disk.Device, o disk.CreateOptions) error {
	switch {
	case o.Backing != "":
		return fmt.Errorf("a raw disk has no backing file")
	case o.Kind != "" || o.ClusterSize != 0 || o.Compression != "" || o.Version != 0:
		return fmt.Errorf("a raw disk has no kinds, clusters, compression or versions")
	case o.Size < 1:
		return fmt.Errorf("a disk of %d bytes", o.Size)
	}
	size := (o.Size + disk.MinSize - 1) &^ (disk.MinSize - 1)
	r, ok := disk.As[disk.Resizer](d)
	if !ok {
		return unix.EOPNOTSUPP
	}
	if err := r.Resize(size); err != nil {
		return err
	}
	switch o.Preallocate {
	case "", "off":
		return d.Flush()
	case "falloc":
		f, ok := disk.As[disk.HostFile](d)
		if !ok {
			return unix.EOPNOTSUPP
		}
		if err := unix.Fallocate(int(f.File().Fd()), 0, 0, size); err != nil {
			return fmt.Errorf("fallocate: %w", err)
		}
		return d.Flush()
	case "full":
		zeros := make([]byte, min(size, 1<<20))
		for off := int64(0); off < size; off += int64(len(zeros)) {
			if _, err := d.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
				return err
			}
		}
		return d.Flush()
	}
	return fmt.Errorf("preallocation %q; there are off, falloc and full", o.Preallocate)
}
