package source

import (
	"context"
	"errors"
	"io/fs"

	"github.com/unboot/unboot/disk"
)

// Info is what an image says of itself.
type Info struct {
	Format     string           // its name
	Size       int64            // of the disk, in bytes
	References []disk.Reference // the files that it names itself, none of which was opened
}

// Stat is [Registry.Stat] with what is [Known].
func Stat(ctx context.Context, name string, o Options) (*Info, error) {
	return known.Stat(ctx, name, o)
}

// Detect is [Registry.Detect] with what is [Known].
func Detect(ctx context.Context, name string) (format string, err error) {
	return known.Detect(ctx, name)
}

// Stat returns what an image says of itself. It opens nothing that the image names, and
// also answers for images that [Registry.Open] refuses, such as encrypted ones.
func (r *Registry) Stat(ctx context.Context, name string, o Options) (*Info, error) {
	var info *Info
	err := r.look(ctx, name, o.Format, func(d disk.Device, at place, f *Format) error {
		size, refs, err := f.Stat(d)
		if err != nil {
			return err
		}
		for i, ref := range refs {
			refs[i] = at.complete(ref, 0)
		}
		info = &Info{f.Name, size, refs}
		return nil
	})
	return info, err
}

// info returns what is known of an image without reading all of it.
func (f *Format) info(d disk.Device, at place) *Info {
	info := &Info{Format: f.Name}
	if f.StatMax != nil {
		return info
	}
	size, refs, err := f.Stat(d)
	if err != nil {
		return info // opening it says so
	}
	for i, ref := range refs {
		refs[i] = at.complete(ref, 0)
	}
	info.Size, info.References = size, refs
	return info
}

// Detect returns the name of the format that an image is recognized as.
func (r *Registry) Detect(ctx context.Context, name string) (format string, err error) {
	err = r.look(ctx, name, "", func(_ disk.Device, _ place, f *Format) error {
		format = f.Name
		return nil
	})
	return format, err
}

// look has something done with an image while it is open for reading.
func (r *Registry) look(ctx context.Context, name, format string, do func(disk.Device, place, *Format) error) error {
	f, err := r.named(format)
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	d, at, err := r.bytes(ctx, name, Options{})
	if err != nil {
		return err
	}
	if f == nil {
		f, err = r.recognize(d, at)
	}
	if err == nil {
		err = do(d, at, f)
	}
	err = errors.Join(err, d.Close())
	if err == nil {
		return nil
	}
	return at.wrap(err)
}
