package ocidisk

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/httpdisk"
)

// A client reads one image of a registry.
type client struct {
	*reference
	keeper *keeper
	title  string // for errors
	meter  func(disk.Meter)
}

// head is how much of a layer is fetched at first: a block of the cache in front.
const head = 512 << 10

// ErrNoDisk is returned for an image without a disk in it.
var ErrNoDisk = errors.New("the image of the registry has no disk")

// Open opens what a URL names. It is the Open of a source.Transport.
func Open(ctx context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
	name := disk.Display(u.String())
	err := error(syscall.EROFS)
	var d disk.Device
	if !o.Writable {
		d, err = open(ctx, u, name, o.Meter)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return d, nil
}

func open(ctx context.Context, u *url.URL, name string, meter func(disk.Meter)) (disk.Device, error) {
	r, err := parse(u)
	if err != nil {
		return nil, err
	}
	l, err := findLogin(ctx, r.host)
	if err != nil {
		return nil, err
	}
	c := &client{reference: r, title: name, meter: meter,
		keeper: &keeper{through: httpdisk.DefaultTransport(), host: r.base.Host, name: r.name, login: l}}
	m, err := c.fetchManifest(ctx)
	if err != nil {
		return nil, err
	}
	d, err := c.layerItself(ctx, m)
	if d != nil || err != nil {
		return d, err
	}
	// The last layer that has a file counts.
	for i := len(m.Layers) - 1; i >= 0; i-- {
		if compression, ok := m.Layers[i].archive(); ok {
			if d, err := c.inArchive(ctx, &m.Layers[i], compression); d != nil || err != nil {
				return d, err
			}
		}
	}
	if c.file != "" {
		return nil, fmt.Errorf("%w called %q", ErrNoDisk, c.file)
	}
	return nil, fmt.Errorf("%w (a layer that is none of a file system, or a file in disk/ of one)", ErrNoDisk)
}

// layerItself opens the layer that is the disk, or returns nil if there is none.
func (c *client) layerItself(ctx context.Context, m *manifest) (disk.Device, error) {
	var titles []string
	var found *descriptor
	for i := range m.Layers {
		l := &m.Layers[i]
		if _, archive := l.archive(); archive || c.file != "" && l.Annotations[titleAnnotation] != c.file {
			continue
		}
		found = l
		titles = append(titles, fmt.Sprintf("%.200q", l.Annotations[titleAnnotation]))
	}
	switch {
	case len(titles) > 1:
		return nil, fmt.Errorf("the image of the registry has several files: %s (name one by ?file=FILE)", strings.Join(titles, ", "))
	case found == nil:
		return nil, nil
	}
	return c.blob(ctx, found)
}

// blob opens a layer as it is.
func (c *client) blob(ctx context.Context, l *descriptor) (*httpdisk.Device, error) {
	if l.Size == 0 {
		return nil, fmt.Errorf("the layer %s is empty", l.Digest)
	}
	// Some registries have no answer for a range that ends after the layer.
	o := httpdisk.Options{Transport: c.keeper, Name: c.title, Identity: l.Digest, Head: int(min(l.Size, head))}
	d, err := httpdisk.Get(ctx, c.url("blobs", l.Digest), o)
	if err != nil {
		return nil, err
	}
	if d.Size() != l.Size {
		d.Close()
		return nil, fmt.Errorf("%w: a layer of %d bytes, where %d are said", ErrAnswer, d.Size(), l.Size)
	}
	return d, nil
}

// isDisk reports whether a file of an archive is the disk that is looked for.
func (c *client) isDisk(h *tar.Header) bool {
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeGNUSparse {
		return false
	}
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if c.file != "" {
		return name == strings.TrimPrefix(path.Clean("/"+c.file), "/")
	}
	return path.Dir(name) == "disk" && !strings.HasPrefix(path.Base(name), ".") && h.Size >= disk.MinSize
}

// inArchive opens the disk in a layer that is an archive, or returns nil if it has none.
func (c *client) inArchive(ctx context.Context, l *descriptor, compression string) (disk.Device, error) {
	d, err := c.blob(ctx, l)
	if err != nil {
		return nil, err
	}
	whole := io.NewSectionReader(d, 0, d.Size())
	if compression == "" {
		if part := c.findStored(whole); part != nil {
			return &window{Device: d, r: part}, nil
		}
		return nil, d.Close()
	}
	defer d.Close()
	if c.meter != nil {
		c.meter(d)
	}
	sum := sha256.New()
	f, err := c.unpack(ctx, io.TeeReader(&chunks{r: whole}, sum), compression)
	if err != nil || f == nil {
		return nil, err
	}
	if err := verify(sum, l); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// verify compares the digest of a layer with what was fetched of it.
func verify(sum hash.Hash, l *descriptor) error {
	if got := fmt.Sprintf("sha256:%x", sum.Sum(nil)); got != l.Digest {
		return fmt.Errorf("%w: a layer with the digest %s, where %s was asked for", ErrAnswer, got, l.Digest)
	}
	return nil
}

// findStored returns the disk in an archive that is not compressed.
func (c *client) findStored(r *io.SectionReader) *io.SectionReader {
	at := &counted{r: r}
	t := tar.NewReader(at)
	for range maxEntries {
		h, err := t.Next()
		if err != nil {
			return nil
		}
		// A sparse file has a map, and is not stored as it is.
		if c.isDisk(h) && h.Typeflag == tar.TypeReg && h.PAXRecords["GNU.sparse.major"] == "" && h.Size <= r.Size()-at.n {
			return io.NewSectionReader(r, at.n, h.Size)
		}
	}
	return nil
}

// maxEntries is how many files of an archive are looked at.
const maxEntries = 1 << 20

// counted knows where in a file an archive is read.
type counted struct {
	r *io.SectionReader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Seek is what package tar passes over files by.
func (c *counted) Seek(off int64, whence int) (int64, error) {
	n, err := c.r.Seek(off, whence)
	if err == nil {
		c.n = n
	}
	return n, err
}

// A window is a part of a layer.
type window struct {
	*httpdisk.Device
	r *io.SectionReader
}

func (w *window) Size() int64                             { return w.r.Size() }
func (w *window) ReadAt(p []byte, off int64) (int, error) { return w.r.ReadAt(p, off) }
