package hostdir

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A Mount is a directory of the host as a file system of a kernel, which is attached nowhere.
type Mount struct {
	// Fd is a descriptor of the kernel, as of fsmount(2), for [lkl.ExecMount],
	// [lkl.View.MoveMount] or [lkl.Kernel.Chroot]. The caller closes it.
	Fd int

	k    *lkl.Kernel
	name string
	done chan struct{} // closed when the session is over
	err  error         // of the session, after that
}

// mountMessage is the size of messages that the kernel asks for, and how far it reads ahead. It
// allocates them in one piece, and larger ones are hard to get in a kernel whose little memory is
// in use: with 256 KiB, and 32 MiB of memory, reading and writing several files at once fails at
// times. Larger ones are no faster.
const mountMessage = 64 << 10

// Mount mounts the directory in a kernel. If it is served only for reading, the kernel keeps
// what it has seen, and does not see what changes on the host later. Otherwise it looks again
// when a file is opened, and what a program has written is on the host when it has closed the
// file.
//
// Each mount occupies one of the kernel's workers, and its server needs another to answer: where
// all of them wait for the directory, they wait forever. From its first program on, a kernel has
// too many of them for that: see [lkl.Kernel.StartPrograms]. The kernel must have 9p: ENODEV.
func (d *Dir) Mount(k *lkl.Kernel) (*Mount, error) {
	m, err := d.mount(k, mountMessage)
	if err != nil {
		return nil, &fs.PathError{Op: "mount", Path: d.name, Err: err}
	}
	return m, nil
}

// mount mounts the directory with messages of that size, up to [MaxMessage].
func (d *Dir) mount(k *lkl.Kernel, message int) (_ *Mount, err error) {
	var open closers
	defer func() {
		if err != nil {
			open.close(k)
		}
	}()
	fromClient, clientW, err := k.Pipe()
	if err != nil {
		return nil, err
	}
	open = append(open, fromClient, clientW)
	clientR, toClient, err := k.Pipe()
	if err != nil {
		return nil, err
	}
	open = append(open, clientR, toClient)
	for _, fd := range []int{fromClient, toClient} {
		// So that a message goes through in one piece, if the kernel's limit allows it.
		k.Fcntl(fd, unix.F_SETPIPE_SZ, 4*message)
	}
	conf, err := k.Fsopen("9p", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer k.CloseFd(conf)
	for _, o := range d.mountOptions(clientR, clientW, message) {
		if err := k.FsconfigSetString(conf, o[0], o[1]); err != nil {
			return nil, fmt.Errorf("option %s: %w", o[0], err)
		}
	}
	if d.o.ReadOnly {
		if err := k.FsconfigSetFlag(conf, "ro"); err != nil {
			return nil, err
		}
	}
	pipes := stream{k: k, r: fromClient, w: toClient, c: k.NewChain()}
	session, err := d.session(pipes, pipes)
	if err != nil {
		return nil, err
	}
	m := &Mount{Fd: -1, k: k, name: d.name, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		m.err = session.run()
		// The client has gone, so that nobody writes: before, no end to read from must be
		// closed, as the one who writes would get a SIGPIPE.
		closers{fromClient, clientR, toClient}.close(k)
	}()
	open = nil
	err = k.FsconfigCreate(conf)
	// From now on the client has the pipes by itself, and its end is the server's.
	k.CloseFd(clientW)
	if err == nil {
		attrs := unix.MOUNT_ATTR_NODEV
		if d.o.ReadOnly {
			attrs |= unix.MOUNT_ATTR_RDONLY
		}
		m.Fd, err = k.Fsmount(conf, unix.FSMOUNT_CLOEXEC, attrs)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// mountOptions are those of Documentation/filesystems/9p.rst of the kernel.
func (d *Dir) mountOptions(r, w, message int) [][2]string {
	// One user is enough where nobody can make files, or all files are one user's.
	access, cache := "any", "loose"
	if d.o.Owners == AsHost && !d.o.ReadOnly {
		access = "user"
	}
	if !d.o.ReadOnly {
		cache = "mmap"
	}
	return [][2]string{
		{"source", "host"}, {"trans", "fd"}, {"rfdno", strconv.Itoa(r)}, {"wfdno", strconv.Itoa(w)}, {"version", "9p2000.L"},
		{"msize", strconv.Itoa(message)}, {"cache", cache}, {"access", access},
	}
}

// Wait waits until the kernel has nothing of the mount in use any more, neither by Fd nor by
// where it was mounted: what was written is on the host then, or the error is that of the first
// write that failed. If ctx ends before, so does Wait, and what is left ends with the kernel.
func (m *Mount) Wait(ctx context.Context) error {
	select {
	case <-m.done:
		if m.err != nil && m.k.Err() == nil {
			return m.err
		}
		return nil
	case <-ctx.Done():
		return &fs.PathError{Op: "unmount", Path: m.name, Err: context.Cause(ctx)}
	}
}

// closers are descriptors of a kernel.
type closers []int

func (c closers) close(k *lkl.Kernel) {
	for _, fd := range c {
		k.CloseFd(fd)
	}
}

// A stream is the server's ends of both pipes of a kernel.
type stream struct {
	k    *lkl.Kernel
	r, w int
	c    *lkl.Chain // of Exchange
}

func (s stream) Read(p []byte) (int, error) { return atEOF(s.k.Read(s.r, p)) }

func (s stream) Write(p []byte) (int, error) { return s.k.Write(s.w, p) }

// Exchange makes one call to the kernel of two.
func (s stream) Exchange(answer, p []byte) (int, error) {
	if len(answer) > maxExchange {
		if _, err := s.Write(answer); err != nil {
			return 0, err
		}
		return s.Read(p)
	}
	s.c.Reset()
	write := s.c.Write(s.w, answer)
	read := s.c.Read(s.r, p[:min(len(p), maxExchange)])
	if err := s.c.Run(); err != nil {
		return 0, err
	}
	if n, err := s.c.Result(write); err != nil || n != len(answer) {
		return 0, io.ErrShortWrite
	}
	return atEOF(s.c.Result(read))
}

// maxExchange is how much of each an exchange has: a chain has 1 MiB for all.
const maxExchange = 256 << 10

func atEOF(n int, err error) (int, error) {
	if err == nil && n == 0 {
		err = io.EOF
	}
	return max(n, 0), err
}
