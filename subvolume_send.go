package unboot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl/btrfs"
	"github.com/unboot/unboot/lkl"
)

// SendOptions says how [FS.SendSubvolume] sends, in the terms of btrfs-send(8).
type SendOptions struct {
	// Parent is a subvolume of the same file system, whose content the receiver has already:
	// the stream is the difference to it. "" sends all.
	Parent string
	// Clones are further subvolumes that the receiver has: extents that are shared with
	// them are not sent. Without a Parent, the one of them that is nearest in history is it.
	Clones []string
	// Protocol is the version of the stream, 1 or 2; 0 is 1.
	Protocol int
	// Compressed sends compressed extents as they are, which needs Protocol 2.
	Compressed bool
	// NoData leaves the content of files out: the stream says where it has changed.
	NoData bool
}

// ErrNotReadOnly is the error of sending a subvolume that can be written to.
var ErrNotReadOnly = errors.New("the subvolume is not read-only")

// pipeSize is that of the pipe through which streams come, in bytes: what the kernel gives
// without being asked by someone privileged.
const pipeSize = 1 << 20

// SendSubvolume writes a read-only subvolume as the stream that btrfs-send(8) makes of it,
// for [FS.ReceiveSubvolume] or btrfs-receive(8). Other subvolumes in it are not sent. The
// error wraps [ErrNotReadOnly] for one that can be written to, and is that of w if w returns
// one. The tree cannot be unmounted before it is done. With the option [Clock], which lets the kernel do one thing at a time only, it wraps
// errors.ErrUnsupported.
func (f *FS) SendSubvolume(w io.Writer, name string, o SendOptions) error {
	if f.t.img.oneWorker {
		return f.pathError("send", name, fmt.Errorf("%w with a fixed clock", errors.ErrUnsupported))
	}
	return f.onSubvolume("send", name, func(b btrfs.FS) error {
		s, err := f.sendOf(b, o)
		if err != nil {
			return err
		}
		if len(s.Clones) > 0 {
			mem, err := f.t.img.k.Alloc(8 * len(s.Clones))
			if err != nil {
				return err
			}
			defer mem.Free()
			s.Memory = mem
		}
		// One at a time: each takes two of the kernel's workers, and all of them together
		// could wait for one that none has.
		f.t.img.sending.Lock()
		defer f.t.img.sending.Unlock()
		return pipeFrom(f.t.img.k, w, func(fd int) error { return b.Send(fd, s) })
	})
}

// sendOf returns what the kernel is to be asked for.
func (f *FS) sendOf(b btrfs.FS, o SendOptions) (btrfs.Send, error) {
	s := btrfs.Send{Version: 1, Compressed: o.Compressed, NoData: o.NoData}
	if o.Protocol != 0 {
		s.Version = uint32(o.Protocol)
	}
	switch {
	case o.Protocol < 0 || s.Version > 2:
		return s, fmt.Errorf("%w: protocol %d", errors.ErrUnsupported, o.Protocol)
	case o.Compressed && s.Version < 2:
		return s, fmt.Errorf("%w: compressed data in a stream of version 1", errors.ErrUnsupported)
	}
	sent, err := b.Info()
	if err == nil && !sent.ReadOnly {
		err = ErrNotReadOnly
	}
	if err != nil {
		return s, err
	}
	source := func(name string) (id uint64, err error) {
		if !validPath(name) {
			return 0, &fs.PathError{Op: "send", Path: name, Err: fs.ErrInvalid}
		}
		err = f.withSubvolume("/"+name, func(b btrfs.FS) error {
			i, err := b.Info()
			if err == nil && !i.ReadOnly {
				err = ErrNotReadOnly
			}
			if err == nil {
				id = i.ID
			}
			return err
		})
		if err != nil {
			return 0, &fs.PathError{Op: "send", Path: name, Err: err}
		}
		return id, nil
	}
	for _, name := range o.Clones {
		id, err := source(name)
		if err != nil {
			return s, err
		}
		s.Clones = append(s.Clones, id)
	}
	switch {
	case o.Parent != "":
		id, err := source(o.Parent)
		if err != nil {
			return s, err
		}
		// As btrfs-send(8): what did not change from the parent can be cloned from it.
		s.Parent, s.Clones = id, append(s.Clones, id)
	case len(s.Clones) > 0:
		roots, err := b.Roots()
		if err != nil {
			return s, err
		}
		s.Parent = nearest(roots, sent.ID, s.Clones)
	}
	return s, nil
}

// nearest returns the ID of that of some snapshots which a stream of a subvolume is best
// the difference to, or 0: of those with the same original, or that are the original, the one
// that was changed least before or after it.
func nearest(roots map[uint64]btrfs.Root, id uint64, among []uint64) (best uint64) {
	sent, least := roots[id], ^uint64(0)
	if sent.ParentUUID == (btrfs.UUID{}) {
		return 0
	}
	for _, other := range among {
		r := roots[other]
		if r.ParentUUID != sent.ParentUUID && r.UUID != sent.ParentUUID {
			continue
		}
		if d := max(r.Changed, sent.Changed) - min(r.Changed, sent.Changed); d < least {
			best, least = other, d
		}
	}
	return best
}

// pipeFrom calls write with the end of a pipe of the kernel, and copies to w what comes
// out of the other.
func pipeFrom(k *lkl.Kernel, w io.Writer, write func(fd int) error) error {
	in, out, err := k.Pipe()
	if err != nil {
		return err
	}
	defer k.CloseFd(in)
	size, err := k.Fcntl(in, unix.F_SETPIPE_SZ, pipeSize)
	if err != nil {
		k.CloseFd(out)
		return err
	}
	p := pipe{k: k, in: in, out: out}
	ended := make(chan error, 1)
	go func() {
		err := write(out)
		p.closeOut() // the reader's end of file
		ended <- err
	}()
	buf := make([]byte, size)
	for {
		n, err := k.Read(in, buf)
		if n > 0 {
			_, err = w.Write(buf[:n])
		}
		switch {
		case err != nil:
			p.stop(buf)
			<-ended
			return err
		case n <= 0:
			return <-ended
		}
	}
}

// A pipe is one of the kernel, which a call writes to.
type pipe struct {
	k       *lkl.Kernel
	in, out int

	mu     sync.Mutex
	closed bool // guarded by mu: out may be another file's number
}

func (p *pipe) closeOut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.k.CloseFd(p.out)
}

// stop makes the call that writes end with an error. It must not be a SIGPIPE, so the other
// end stays open: as soon as the pipe is full again, the writer gets EAGAIN.
func (p *pipe) stop(buf []byte) {
	const nonblock = 0x800 // O_NONBLOCK of asm-generic/fcntl.h
	p.mu.Lock()
	if !p.closed {
		p.k.Fcntl(p.out, unix.F_SETFL, nonblock|unix.O_WRONLY)
	}
	p.mu.Unlock()
	p.k.Fcntl(p.in, unix.F_SETFL, nonblock)
	p.k.Read(p.in, buf) // wakes the writer where it waits for room
}
