package source

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"syscall"

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
	// Snapshot is the name or the ID of a snapshot that the image keeps: see
	// [disk.Snapshotter]. The disk is what it was then, and can only be read.
	Snapshot string
	// Allow decides whether a file that an image names may be opened, by returning nil:
	// see [Registry.Open]. Without it, none is.
	Allow func(disk.Reference) error
	// Unlock returns the cipher, with its key, of an image that its format encrypts, or of a
	// backing file: path is that of the file, for messages. Without it, such an image is
	// refused with an error that wraps [disk.ErrEncrypted].
	Unlock func(path string, e *disk.Encryption) (disk.SectorCipher, error)
	// NoBacking leaves out the backing file, as if it had nothing in it: for what only
	// changes the image's own metadata.
	NoBacking bool
	// CacheDir is a folder of the host in which blocks of images elsewhere are kept for
	// later runs, or "".
	CacheDir string
	// CacheSize is how many bytes the folder may take of the host's disk, 0 for any number.
	CacheSize int64
	// Opened is called with each file of this host that the image consists of, once it is open:
	// its own, and those that it names. They belong to the device.
	Opened func(*os.File)
	// Stored is called with what the image says of itself, once it may be opened. If that is
	// only known after all of it was read, Info has the format alone.
	Stored func(*Info)
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

// Open opens an image by its name: a host path, or a URL of a known transport. Of an image on
// this host that has several disks, PATH#NAME is the one of a name. Its format
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
	c := &chain{registry: r, ctx: ctx, allow: o.Allow, writable: o.Writable, noLock: o.NoLock, noBacking: o.NoBacking, snapshot: o.Snapshot, unlock: o.Unlock, opened: o.Opened, stored: o.Stored}
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
			at = namedPart(bundle(path))
			u = &url.URL{Scheme: fileScheme, Path: at.name}
		}
	}
	d, err := t.Open(ctx, u, disk.Options{Writable: o.Writable, NoLock: o.NoLock, AnyFormat: true, Small: true, LockLater: true, CacheDir: o.CacheDir, CacheSize: o.CacheSize, Meter: o.Meter})
	if err != nil {
		return nil, at, err
	}
	if h, ok := disk.As[disk.HostFile](d); ok && at.host && o.Opened != nil {
		o.Opened(h.File())
	}
	return bind(ctx, d), at, nil
}

// admit refuses to write to a format that can only be read, and locks one that can be
// written to: not before, so that an image that cannot be opened anyway is refused for
// what it is, whoever has it open.
func (o *Options) admit(d disk.Device, f *Format) error {
	if o.Snapshot != "" && f.OpenSnapshot == nil {
		return fmt.Errorf("snapshot %q: images in %s format have none", o.Snapshot, f.Name)
	}
	if o.Snapshot != "" && o.Writable {
		return fmt.Errorf("snapshot %q: it can only be read", o.Snapshot)
	}
	if !o.Writable {
		return nil
	}
	if !f.Writable {
		return &disk.FormatError{Format: f.Name, Hint: disk.OnlyRead}
	}
	if f.Name != rawFormat && !disk.Writable(d) {
		return fmt.Errorf("an image in %s format is written to only where it can grow (%w)", f.Name, syscall.EROFS)
	}
	if l, ok := disk.As[disk.Locker](d); ok && !o.NoLock {
		return l.Lock()
	}
	return nil
}
