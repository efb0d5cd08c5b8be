package qcow2

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/unboot/unboot/disk"
)

// MaxDepth is how many backing files a chain may have, one behind the other. It is
// libvirt's limit.
const MaxDepth = 200

// A Reference is another file that an image's header names. It is as trustworthy as
// the image.
type Reference struct {
	Role   string // "backing file" or "data file"
	Image  string // host path of the image that names it
	Name   string // as it is in the header, or "" for a data file without a name
	Path   string // host path for it, or "": see [Resolve]
	Format string // "raw", "qcow2", …; "" if the header does not say
	Depth  int    // 1 for those of the image that was opened, 2 for those of these, …

	caches *caches
}

// Resolve returns the host path that QEMU takes the name in an image's header for:
// relative to the directory of the image, by the path by which it was opened (a
// symbolic link is not followed). It is "" if the name is not that of a file: one that
// is empty, that begins with a protocol such as "nbd:" other than "file:", or with
// "json:".
func Resolve(image, name string) string {
	if scheme, rest, ok := strings.Cut(name, ":"); ok && !strings.Contains(scheme, "/") {
		if scheme != "file" {
			return ""
		}
		// QEMU knows no authority here: of file:///x, all slashes are the path's.
		name = rest
		if name != "" && !filepath.IsAbs(name) {
			// With the prefix, it is relative to the working directory.
			return filepath.Clean(name)
		}
	}
	switch {
	case name == "":
		return ""
	case filepath.IsAbs(name):
		return name
	}
	// Not filepath.Join, which takes away ".." that follows a symbolic link.
	if slash := strings.LastIndexByte(image, '/'); slash >= 0 {
		return image[:slash+1] + name
	}
	return name
}

// Follow returns a function for [Options.Backing] and [Options.DataFile] that opens
// files for which allow returns nil, and those that they name themselves, if it does
// for them too. The error of allow, or a [*NotAllowedError] if it is [ErrNotAllowed],
// is that of [Open].
//
// What allow is asked about is [Reference.Path], which may have symbolic links and
// "..", and is never "". Files are opened for reading, as raw images if their format is
// "raw", as qcow2 if it is that, and by what they look like if the header does not say.
// (That is what QEMU does with a warning: who could write to a raw disk may have made
// it look like a qcow2 image, with a backing file of their choice. The rule is asked
// about that one, too.) Other formats are refused.
func Follow(allow func(Reference) error) func(Reference) (disk.Device, error) {
	var follow func(ref Reference) (disk.Device, error)
	follow = func(ref Reference) (disk.Device, error) {
		if ref.Path == "" {
			return nil, fmt.Errorf("the %s %q is not one that can be opened here", ref.Role, ref.Name)
		}
		if ref.Depth > MaxDepth {
			return nil, ErrDepth
		}
		if err := allow(ref); err == ErrNotAllowed {
			return nil, &NotAllowedError{ref}
		} else if err != nil {
			return nil, err
		}
		return ref.open(Options{Backing: follow, DataFile: follow, Depth: ref.Depth, caches: ref.caches})
	}
	return follow
}

// open opens a file that was allowed.
func (ref *Reference) open(o Options) (disk.Device, error) {
	switch ref.Format {
	case "raw", "qcow2", "":
	default:
		return nil, fmt.Errorf("the %s %q has the format %q, which is not known here", ref.Role, ref.Name, ref.Format)
	}
	raw, err := disk.OpenRaw(ref.Path, disk.Options{AnyFormat: true})
	if errors.Is(err, disk.ErrEmpty) && ref.Format != "qcow2" {
		return empty{}, nil
	}
	if err != nil {
		return nil, err
	}
	if ref.Format == "raw" || ref.Format == "" && !isQcow2(raw) {
		return raw, nil
	}
	m, err := New(raw, ref.Path, o)
	if err != nil {
		raw.Close()
		return nil, err
	}
	return m, nil
}

// isQcow2 says whether something has the magic number.
func isQcow2(r io.ReaderAt) bool {
	b := make([]byte, len(magic))
	n, _ := r.ReadAt(b, 0)
	return n == len(b) && string(b) == magic
}

// empty is a file of size 0, which is no disk but may stand behind one.
type empty struct{}

func (empty) ReadAt([]byte, int64) (int, error)  { return 0, io.EOF }
func (empty) WriteAt([]byte, int64) (int, error) { return 0, syscall.EROFS }
func (empty) Size() int64                        { return 0 }
func (empty) Flush() error                       { return nil }
func (empty) Close() error                       { return nil }
