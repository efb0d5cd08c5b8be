package disk

import (
	"io/fs"
	"os"
)

// CreateRaw creates an image file without content, which grows as it is written to, and
// locks it. A file that is there is an error that wraps fs.ErrExist. Errors are
// *fs.PathError.
func CreateRaw(path string) (*Raw, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: path, Err: bare(err)}
	}
	r := &Raw{f: f, writable: true}
	if err := r.Lock(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// CreateOptions say what the image is like that a format creates. A format refuses with
// an error what it does not have, and takes its own usual choice for what is left zero.
type CreateOptions struct {
	// Size of the disk, in bytes.
	Size int64
	// Backing is the name of the backing file, or of the parent of a differencing
	// disk, as it is to stand in the image, and BackingFormat the format of it.
	Backing, BackingFormat string
	// Parent is the backing file, open, for formats that keep something of it, such
	// as its identity. It is not closed.
	Parent Device
	// Kind is the variant of the format, as qemu-img(1) calls its subformat:
	// "monolithicSparse", "fixed", …
	Kind string
	// ClusterSize is the unit of allocation, in bytes.
	ClusterSize int64
	// Compression is what compressed clusters are compressed with: "zlib", "zstd".
	Compression string
	// Preallocate makes room for all of the disk at once, or for the tables alone:
	// "off", "metadata", "falloc", "full".
	Preallocate string
	// Version is the one of the format: of qcow2, 2 or 3.
	Version int
	// Encrypt is how the format is to encrypt the disk, or nil.
	Encrypt *NewEncryption
}
