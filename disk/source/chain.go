package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/unboot/unboot/disk"
)

const (
	// MaxDepth is how many backing files a chain may have, one below the other. It is
	// libvirt's limit.
	MaxDepth = 200
	// MaxFiles is how many files an image may consist of, in all.
	MaxFiles = 4096
)

var (
	// ErrDepth is returned for a chain of more than [MaxDepth] backing files, or one
	// that runs in a circle.
	ErrDepth = fmt.Errorf("a chain of more than %d backing files", MaxDepth)
	// ErrFiles is returned for an image of more than [MaxFiles] files.
	ErrFiles = fmt.Errorf("an image of more than %d files", MaxFiles)
)

// A chain is an image and the files that it consists of, while it is being opened.
type chain struct {
	registry *Registry
	ctx      context.Context
	allow    func(disk.Reference) error
	writable bool // the image is open for writing
	noLock   bool
	snapshot string // of the image that the chain begins with
	unlock   func(string, *disk.Encryption) (disk.SectorCipher, error)
	opened   func(*os.File)
	stored   func(*Info) // of the image that the chain begins with
	files    int         // that have been opened for it
	// noBacking leaves backing files away.
	noBacking bool
}

// open opens an image in a format, or in the one that it is recognized as if that is nil.
// admit is asked about the format before. The device is the image's, or is closed.
func (c *chain) open(d disk.Device, at place, f *Format, depth int, admit func(*Format) error) (disk.Device, error) {
	image, err := c.openAs(d, at, f, depth, admit)
	if err == nil && image.Size() < 0 {
		err = fmt.Errorf("a disk of %d bytes", image.Size())
		image.Close()
	}
	if err == nil {
		if err = c.unlockImage(image, at); err != nil {
			image.Close()
		}
	}
	if err != nil {
		return nil, at.wrap(err)
	}
	return image, nil
}

// unlockImage gives an encrypted image its cipher.
func (c *chain) unlockImage(image disk.Device, at place) error {
	e, ok := disk.As[disk.Encrypted](image)
	if !ok || e.Encryption() == nil {
		return nil
	}
	if c.unlock == nil {
		return fmt.Errorf("%w (%s), and there is no key for it", disk.ErrEncrypted, e.Encryption().Method)
	}
	cipher, err := c.unlock(at.name, e.Encryption())
	if err == nil {
		e.Unlock(cipher)
	}
	return err
}

func (c *chain) openAs(d disk.Device, at place, f *Format, depth int, admit func(*Format) error) (image disk.Device, err error) {
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if f == nil {
		if f, err = c.registry.recognize(d, at); err != nil {
			return nil, err
		}
	}
	if err := admit(f); err != nil {
		return nil, err
	}
	if c.stored != nil && depth == 0 {
		c.stored(f.info(d, at))
	}
	if c.snapshot != "" && depth == 0 {
		return f.OpenSnapshot(d, at.name, c.snapshot, c.refer(at, depth))
	}
	if at.part == "" {
		return f.Open(d, at.name, c.refer(at, depth))
	}
	if f.OpenPart == nil {
		return nil, &onlyDiskError{at.part, f.Name}
	}
	return f.OpenPart(d, at.name, at.part, c.refer(at, depth))
}

// An onlyDiskError is of a disk that is named of an image which has one.
type onlyDiskError struct{ part, format string }

func (e *onlyDiskError) Error() string {
	return fmt.Sprintf("#%s: an image in %s format has one disk", e.part, e.format)
}

// refer returns a function that opens the files that an image names.
func (c *chain) refer(at place, depth int) func(disk.Reference) (disk.Device, error) {
	return func(ref disk.Reference) (disk.Device, error) {
		ref = at.complete(ref, depth)
		// What is below a backing file is not written to, whatever the format asks.
		ref.Writable = ref.Writable && c.writable && ref.Role == disk.DataFile
		if c.noBacking && ref.Role == disk.BackingFile {
			return disk.Empty{}, nil
		}
		if c.allow == nil {
			return nil, &disk.NotAllowedError{Reference: ref}
		}
		if ref.Path == "" {
			return nil, fmt.Errorf("the %s %q is not one that can be opened here", ref.Role, ref.Name)
		}
		if ref.Depth > MaxDepth {
			return nil, ErrDepth
		}
		if c.files++; c.files > MaxFiles {
			return nil, ErrFiles
		}
		if err := c.allow(ref); err == disk.ErrNotAllowed {
			return nil, &disk.NotAllowedError{Reference: ref}
		} else if err != nil {
			return nil, err
		}
		return c.openReference(ref)
	}
}

// openReference opens a file that was allowed.
func (c *chain) openReference(ref disk.Reference) (disk.Device, error) {
	f := c.registry.Format(ref.Format)
	if f == nil && ref.Format != "" {
		return nil, fmt.Errorf("the %s %q has the format %q, which is not known here", ref.Role, ref.Name, ref.Format)
	}
	o := Options{Writable: ref.Writable, NoLock: c.noLock}
	t := c.registry.scheme(fileScheme)
	if t == nil {
		return nil, fmt.Errorf("open %s: files of the host are not supported", ref.Path)
	}
	raw, err := t.Open(c.ctx, &url.URL{Scheme: fileScheme, Path: ref.Path}, disk.Options{Writable: o.Writable, NoLock: o.NoLock, AnyFormat: true, Small: true, LockLater: true})
	if errors.Is(err, disk.ErrEmpty) && (f == nil || f.Name == rawFormat) {
		return disk.Empty{}, nil
	}
	if err != nil {
		return nil, err
	}
	if h, ok := disk.As[disk.HostFile](raw); ok && c.opened != nil {
		c.opened(h.File())
	}
	d := bind(c.ctx, raw)
	return c.open(d, place{name: ref.Path, host: true}, f, ref.Depth, func(f *Format) error { return o.admit(d, f) })
}
