package source

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/unboot/unboot/disk"
)

// Options say how [Open] is to open an image. The zero value is for reading.
type Options struct {
	// Writable opens for reading and writing, and locks the image.
	Writable bool
	// NoLock leaves out the lock.
	NoLock bool
	// Format is the name of the image's format. By default it is found out by what
	// the image begins and ends with.
	Format string
	// Allow decides whether a file that an image names may be opened, by returning nil:
	// see [Registry.Open]. Without it, none is.
	Allow func(disk.Reference) error
	// CacheDir is a folder of the host in which blocks of images elsewhere are kept for
	// later runs, or "".
	CacheDir string
	// Meter is called with each device that counts what goes over a network for it.
	Meter func(disk.Meter)
}

// A Registry is the formats and transports by which images are opened. What a program
// wants is most often those of [Known].
type Registry struct {
	Formats    []Format
	Transports []Transport
}

var known = Registry{formats, transports}

// Known returns the formats and transports of this package, in lists that can be added
// to.
func Known() *Registry {
	return &Registry{append([]Format(nil), formats...), append([]Transport(nil), transports...)}
}

// Open is [Registry.Open] with what is [Known].
func Open(ctx context.Context, name string, o Options) (disk.Device, error) {
	return known.Open(ctx, name, o)
}

// Open opens an image by its name: a host path, or a URL of a known transport. Its format
// is the one of the options, or the one that it is recognized as, or else raw. It is
// looked for once: what is inside of an image is a disk, even if it looks like an image.
//
// Images name other files, which the rule of the options allows or not. It is asked about
// [disk.Reference.Path], which may have symbolic links and "..", and is never "". Its
// error, or a [*disk.NotAllowedError] if that is [disk.ErrNotAllowed], is that of Open.
// What is allowed is opened for reading, in the format that the image says. If it does not
// say, it is recognized as above. (QEMU does so with a warning: whoever could write to a
// raw disk may have made it look like an image in another format, with a backing file of
// their choice. The rule is asked about that one, too.) A data file of an image that is
// opened for writing is opened for writing too, and locked, if the rule allows a reference
// that says so: see [disk.Reference.Writable] and [InDirectory].
//
// ctx is the life of the device: when it ends, reads in flight return its cause. Errors
// are *fs.PathError with the host path or the URL; see those of package disk for what they
// may wrap. One in a format that cannot be written to is a *[disk.FormatError].
func (r *Registry) Open(ctx context.Context, name string, o Options) (disk.Device, error) {
	f, err := r.named(o.Format)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	d, at, err := r.bytes(ctx, name, o)
	if err != nil {
		return nil, err
	}
	c := &chain{registry: r, ctx: ctx, allow: o.Allow, writable: o.Writable, noLock: o.NoLock}
	return c.open(d, at, f, 0, func(f *Format) error { return o.admit(d, f) })
}

// named returns the format of a name, or nil if that is "".
func (r *Registry) named(format string) (*Format, error) {
	if format == "" {
		return nil, nil
	}
	f := r.Format(format)
	if f == nil {
		return nil, fmt.Errorf("format %q is not known here (known: %s)", format, strings.Join(r.Names(), ", "))
	}
	return f, nil
}

// Names returns the names of the formats that are [Known].
func Names() []string { return known.Names() }

// Names returns the names of the formats.
func (r *Registry) Names() []string {
	var names []string
	for _, f := range r.Formats {
		names = append(names, f.Name)
	}
	return names
}

// bytes opens what the name means, in whatever format it is.
func (r *Registry) bytes(ctx context.Context, name string, o Options) (disk.Device, place, error) {
	t, u, err := r.transport(name)
	if err != nil {
		return nil, place{}, err
	}
	at := place{name: disk.Display(name)}
	if u.Scheme == fileScheme {
		if path, err := hostPath(u); err == nil {
			at = place{path, true}
		}
	}
	d, err := t.Open(ctx, u, disk.Options{Writable: o.Writable, NoLock: o.NoLock, AnyFormat: true, Small: true, LockLater: true, CacheDir: o.CacheDir, Meter: o.Meter})
	if err != nil {
		return nil, at, err
	}
	return bind(ctx, d), at, nil
}

// admit refuses to write to a format that can only be read, and locks one that can be
// written to: not before, so that an image that cannot be opened anyway is refused for
// what it is, whoever has it open.
func (o *Options) admit(d disk.Device, f *Format) error {
	if !o.Writable {
		return nil
	}
	if !f.Writable {
		hint := "which can only be read here"
		if f.Convert != "" {
			hint += "; to write to it, try: " + f.Convert
		}
		return &disk.FormatError{Format: f.Name, Hint: hint}
	}
	if l, ok := disk.As[disk.Locker](d); ok && !o.NoLock {
		return l.Lock()
	}
	return nil
}
