// Package btrfsreceive makes the subvolumes that a stream of `btrfs send` describes, as
// btrfs-receive(8) does.
//
// Streams are taken to be hostile. A subvolume gets one name in the directory that receives
// it, and all paths in the stream are looked up by the kernel with the subvolume as the root
// directory: neither ".." nor a symbolic link leads out of it. What can be read out of the
// file system beside that are extents of subvolumes whose UUID the stream knows.
package btrfsreceive

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/btrfsstream"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
	"github.com/unboot/unboot/lkl"
)

// A Target is where subvolumes are made.
type Target struct {
	Kernel *lkl.Kernel
	Dir    btrfs.FS // the directory
	// Open opens the root directory of a subvolume of the same file system by its ID.
	Open func(id uint64) (fd int, err error)
	// OneStream stops after the first stream, and leaves what follows it unread.
	OneStream bool
}

// A receiver is between two commands.
type receiver struct {
	Target
	roots map[uint64]btrfs.Root // as of the last subvolume that was finished, or nil
	names []string

	// The subvolume that is being made.
	name    string
	view    *lkl.View // with it as the root
	fd      int       // its root directory, -1 if there is none
	id      btrfs.UUID
	transid uint64

	// The file that was written to last, as it is mostly the next too.
	file   int // -1 if there is none
	path   string
	buffer *lkl.Buffer // for encoded extents

	capability capability
}

// capability is the attribute security.capability of a file that got one last.
type capability struct {
	path  string
	value []byte
}

// Receive reads streams to their end, and returns the names of the subvolumes that are
// complete. One that is not, because of an error, is left as it is: writable, and not noted
// as received.
func Receive(t Target, r io.Reader) (names []string, err error) {
	rc := &receiver{Target: t, fd: -1, file: -1}
	err = rc.run(btrfsstream.NewReader(r))
	if err != nil && rc.name != "" {
		err = fmt.Errorf("subvolume %q is incomplete: %w", rc.name, err)
	}
	rc.drop()
	rc.buffer.Free()
	return rc.names, err
}

func (r *receiver) run(stream *btrfsstream.Reader) error {
	for n := 0; ; n++ {
		c, err := stream.Next()
		switch {
		case err == io.EOF && n == 0:
			return fmt.Errorf("%w: it is empty", btrfsstream.ErrFormat)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := r.do(c); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		if c.Kind == btrfsstream.End && r.OneStream {
			return nil
		}
	}
}

// do does what a command says.
func (r *receiver) do(c *btrfsstream.Command) error {
	switch c.Kind {
	case btrfsstream.Subvol, btrfsstream.Snapshot:
		if err := r.finish(); err != nil {
			return err
		}
		return r.start(c)
	case btrfsstream.End:
		return r.finish()
	}
	if r.fd < 0 {
		return fmt.Errorf("%w: it is before any subvolume", btrfsstream.ErrFormat)
	}
	return r.change(c)
}

// start makes the subvolume that the next commands are about.
func (r *receiver) start(c *btrfsstream.Command) error {
	name := c.Text(btrfsstream.Path)
	id, transid := c.UUID(btrfsstream.UUID), c.Uint64(btrfsstream.Ctransid)
	if c.Err() != nil {
		return c.Err()
	}
	if !plainName(name) {
		return fmt.Errorf("%w: the name %q of a subvolume", btrfsstream.ErrFormat, name)
	}
	if c.Kind == btrfsstream.Subvol {
		if err := r.Dir.Create(name, nil); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	} else {
		parent, parentTransid := c.UUID(btrfsstream.CloneUUID), c.Uint64(btrfsstream.CloneCtransid)
		if c.Err() != nil {
			return c.Err()
		}
		fd, err := r.openSource(parent, parentTransid)
		if err != nil {
			return fmt.Errorf("the parent of %q: %w", name, err)
		}
		err = r.Dir.Snapshot(name, fd, false, nil)
		r.Kernel.CloseFd(fd)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	r.name, r.id, r.transid = name, id, transid
	fd, err := r.Kernel.Openat(r.Dir.FD, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	r.fd, r.view = fd, r.Kernel.Chroot(fd)
	return nil
}

// plainName reports whether a name is that of an entry of a directory.
func plainName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > 255 {
		return false
	}
	for _, c := range []byte(name) {
		if c == '/' {
			return false
		}
	}
	return true
}

// finish notes of the present subvolume, if there is one, where it comes from, and makes it
// read-only.
func (r *receiver) finish() error {
	if r.fd < 0 {
		return nil
	}
	r.closeFile()
	b := btrfs.FS{View: &r.Kernel.View, FD: r.fd}
	if err := b.SetReceived(r.id, r.transid); err != nil {
		return fmt.Errorf("noting what it was received from: %w", err)
	}
	if err := b.SetReadOnly(true); err != nil {
		return fmt.Errorf("making it read-only: %w", err)
	}
	r.names = append(r.names, r.name)
	r.drop()
	return nil
}

// drop closes what is open of the present subvolume.
func (r *receiver) drop() {
	r.closeFile()
	if r.fd >= 0 {
		r.Kernel.CloseFd(r.fd)
	}
	r.fd, r.view, r.name, r.roots, r.capability = -1, nil, "", nil, capability{}
}

// ErrNoSource is the error of a stream that is a difference to a subvolume which is not
// there.
var ErrNoSource = errors.New("no subvolume here was received from it, or is it")

// openSource opens the subvolume that a stream knows by a UUID, which is that of itself or
// that of what it was received from. Of several, the one as of the right transaction is
// taken; the number says nothing of one that came by way of a third file system.
func (r *receiver) openSource(id btrfs.UUID, transid uint64) (fd int, err error) {
	if r.roots == nil {
		if r.roots, err = r.Dir.Roots(); err != nil {
			return -1, err
		}
	}
	var best, rank uint64
	for n, root := range r.roots {
		has := uint64(0)
		switch {
		case root.ReceivedUUID == id && root.SentTransid == transid:
			has = 4
		case root.ReceivedUUID == id:
			has = 3
		case root.UUID == id && root.Changed == transid:
			has = 2
		case root.UUID == id:
			has = 1
		}
		if has > rank || has == rank && has > 0 && n < best {
			best, rank = n, has
		}
	}
	if rank == 0 || id == (btrfs.UUID{}) {
		return -1, fmt.Errorf("%w: %s", ErrNoSource, id)
	}
	return r.Open(best)
}
