package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unboot/unboot/disk"
)

// Create is [Registry.Create] with what is [Known].
func Create(ctx context.Context, path, format string, o disk.CreateOptions, allow func(disk.Reference) error) (disk.Device, error) {
	return known.Create(ctx, path, format, o, allow)
}

// Creatable returns the names of the formats that are [Known] and can be created.
func Creatable() []string { return known.Creatable() }

// Creatable returns the names of the formats that can be created.
func (r *Registry) Creatable() []string {
	var names []string
	for _, f := range r.Formats {
		if f.Create != nil {
			names = append(names, f.Name)
		}
	}
	return names
}

// Create makes a new image in a file of the host, which must not exist, and opens it for
// writing. It reads as zeros, or as its backing file does. If it fails, there is no file.
//
// A backing file is one of the host. Its name is taken as one in the image is, relative to
// the image's directory, and is written into it as it is given, with the format that it is
// recognized as if none is given: so nobody has to guess later. The caller has named it; allow
// decides about the files that it names in turn, as [Options.Allow] does.
//
// Errors are *fs.PathError.
func (r *Registry) Create(ctx context.Context, path, format string, o disk.CreateOptions, allow func(disk.Reference) error) (disk.Device, error) {
	f, err := r.named(format)
	if err == nil && (f == nil || f.Create == nil) {
		err = fmt.Errorf("images in the format %q are not created here; there are: %s", format, strings.Join(r.Creatable(), ", "))
	}
	if err == nil && o.Encrypt != nil && !f.Encrypts {
		err = fmt.Errorf("images in %s format are not encrypted here; there is qcow2", f.Name)
	}
	at := place{name: path, host: true}
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: path, Err: err}
	}
	c := &chain{registry: r, ctx: ctx, writable: true, allow: func(ref disk.Reference) error {
		switch {
		case ref.Depth == 1: // what its creator named
			return nil
		case allow == nil:
			return disk.ErrNotAllowed
		}
		return allow(ref)
	}}
	if o.Backing != "" {
		parent, err := c.parent(at, &o)
		if err != nil {
			return nil, err
		}
		defer parent.Close()
	}
	raw, err := disk.CreateRaw(path)
	if err != nil {
		return nil, err
	}
	d := bind(ctx, raw)
	if err = f.Create(d, path, o); err != nil {
		raw.Close()
	} else {
		if o.Encrypt != nil {
			c.unlock = o.Encrypt.Unlock
		}
		d, err = c.open(d, at, f, 0, func(*Format) error { return nil })
	}
	if err != nil {
		return nil, errors.Join(at.wrap(err), os.Remove(path))
	}
	return d, nil
}

// parent opens the backing file of an image that is to be created, and completes the
// options by what it is.
func (c *chain) parent(at place, o *disk.CreateOptions) (disk.Device, error) {
	ref := at.complete(disk.Reference{Role: disk.BackingFile, Name: o.Backing, Format: o.BackingFormat}, 0)
	if ref.Path == "" {
		return nil, &fs.PathError{Op: "create", Path: at.name, Err: fmt.Errorf("the backing file %q is not a file of this host", o.Backing)}
	}
	if o.BackingFormat == "" {
		format, err := c.registry.Detect(c.ctx, ref.Path)
		if err != nil {
			return nil, err
		}
		ref.Format, o.BackingFormat = format, format
	}
	parent, err := c.openReference(ref)
	if err != nil {
		return nil, err
	}
	o.Parent = parent
	if o.Size == 0 {
		o.Size = parent.Size()
	}
	return parent, nil
}

// FormatOf returns the name of the format that a file is to have by how its name ends, or ""
// if that says nothing.
func FormatOf(path string) string {
	ending := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	for _, f := range formats {
		if slices.Contains(f.Endings, ending) {
			return f.Name
		}
	}
	return ""
}
