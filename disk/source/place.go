package source

import (
	"errors"
	"io/fs"

	"github.com/unboot/unboot/disk"
)

// A place is where an image is.
type place struct {
	name string // the host path, or the URL
	host bool   // it is a host path
	part string // which of several disks of the image is meant, or ""
}

// complete adds to a reference what the image cannot say.
func (at place) complete(ref disk.Reference, depth int) disk.Reference {
	ref.Image, ref.Path, ref.Depth = at.name, "", depth+1
	// An image from elsewhere names no files of this host.
	if at.host {
		ref.Path = Resolve(at.name, ref.Name)
	}
	return ref
}

// wrap names the image in an error that does not name one.
func (at place) wrap(err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return &fs.PathError{Op: "open", Path: at.name, Err: err}
}
