package unboot

import (
	"errors"
	"io"
	"os"
	"reflect"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// streams are the three descriptors of a program, and what this side does with them.
type streams struct {
	k      *lkl.Kernel
	theirs [3]int // descriptors for the program, plus one; 0 is none yet
	pipes  []int  // those of theirs that are pipes
	ours   []*pipeEnd
	files  []*stoppable   // that jobs read from
	jobs   []func() error // of goroutines that stream, until they run
	tty    *pipeEnd       // the master of the terminal

	copied  chan error // the result of each job
	copying int        // jobs whose result has not been taken
}

// has reports whether there is a descriptor for the program.
func (s *streams) has(n int) bool { return s.theirs[n] != 0 }

// pipe makes a pipe for a descriptor of the program, and returns this side's end.
func (s *streams) pipe(n int) (*pipeEnd, error) {
	r, w, err := s.k.Pipe()
	if err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	end := &pipeEnd{k: s.k, fd: r}
	s.theirs[n] = w + 1
	if n == 0 {
		end.fd, s.theirs[n] = w, r+1
	}
	s.ours = append(s.ours, end)
	s.pipes = append(s.pipes, s.theirs[n]-1)
	return end, nil
}

// prepare makes what is missing, and returns the program's descriptors.
func (s *streams) prepare(c *Cmd, pts int, uid uint32) (fds [3]int, err error) {
	if c.Tty != nil {
		return s.prepareTerminal(c, pts, uid)
	}
	if !s.has(0) {
		if err := s.input(c.Stdin); err != nil {
			return fds, err
		}
	}
	for n, w := range []io.Writer{1: c.Stdout, 2: c.Stderr} {
		switch {
		case n == 0 || s.has(n):
		case n == 2 && w != nil && sameWriter(c.Stdout, w):
			fd, err := s.k.Dup(s.theirs[1] - 1)
			if err != nil {
				return fds, os.NewSyscallError("dup", err)
			}
			s.theirs[2] = fd + 1
		default:
			if err := s.output(n, w); err != nil {
				return fds, err
			}
		}
	}
	for n := range fds {
		fds[n] = s.theirs[n] - 1
	}
	if uid == 0 {
		return fds, nil
	}
	// The user is to be able to open /dev/stdout and the like.
	for _, fd := range s.pipes {
		if err := s.k.Fchown(fd, int(uid), -1); err != nil {
			return fds, os.NewSyscallError("fchown", err)
		}
	}
	return fds, nil
}

// null opens /dev/null for a descriptor of the program, which takes for granted that it may wait:
// Ansible ends where one of them has O_NONBLOCK.
func (s *streams) null(n, flags int) error {
	fd, err := s.k.Open("/dev/null", flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/dev/null", Err: err}
	}
	s.theirs[n] = fd + 1
	return nil
}

// input has the program read what r gives.
func (s *streams) input(r io.Reader) error {
	if r == nil {
		return s.null(0, unix.O_RDONLY)
	}
	w, err := s.pipe(0)
	if err != nil {
		return err
	}
	return s.feed(w, r, nil)
}

// feed adds the job that writes to w what r gives, and what atEnd gives at its end if it is
// not nil.
func (s *streams) feed(w *pipeEnd, r io.Reader, atEnd func() []byte) error {
	f, _ := r.(*os.File)
	var file *stoppable
	if f != nil {
		var err error
		if file, err = newStoppable(f); err != nil {
			return err
		}
		s.files = append(s.files, file)
		r = file
	}
	s.jobs = append(s.jobs, func() error {
		defer w.Close()
		defer file.close()
		err := copyPieces(w, r)
		if err == nil && atEnd != nil {
			_, err = w.Write(atEnd())
		}
		if errors.Is(err, unix.EPIPE) || errors.Is(err, errStopped) {
			return nil // the program did not want it
		}
		return err
	})
	return nil
}

// copyPieces is io.Copy by Read and Write alone: what other methods do with a pipe that may
// wait for any time is not known.
func copyPieces(w io.Writer, r io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, pipePiece))
	return err
}

// output has w get what the program writes to a descriptor.
func (s *streams) output(n int, w io.Writer) error {
	if w == nil {
		return s.null(n, unix.O_WRONLY)
	}
	r, err := s.pipe(n)
	if err != nil {
		return err
	}
	s.drain(r, w)
	return nil
}

// drain adds the job that writes to w what the program writes.
func (s *streams) drain(r *pipeEnd, w io.Writer) {
	s.jobs = append(s.jobs, func() error {
		defer r.Close() // after an error, the program gets a SIGPIPE
		return copyPieces(w, r)
	})
}

// run starts the jobs, when the program runs.
func (s *streams) run() {
	s.copied = make(chan error, len(s.jobs)) // nobody may take them
	s.copying = len(s.jobs)
	for _, job := range s.jobs {
		go func() { s.copied <- job() }()
	}
	s.jobs = nil
}

// stop ends the reading of files, when the program has ended.
func (s *streams) stop() {
	for _, f := range s.files {
		f.stop()
	}
}

// closeTheirs closes the program's descriptors, which it has by now.
func (s *streams) closeTheirs() {
	for n, fd := range s.theirs {
		if fd > 0 {
			s.k.CloseFd(fd - 1)
			s.theirs[n] = 0
		}
	}
}

// closeOurs closes this side's ends, and what jobs that never ran would have closed.
func (s *streams) closeOurs() {
	for _, end := range s.ours {
		end.Close()
	}
	if s.jobs != nil {
		for _, f := range s.files {
			f.close()
		}
	}
}

// sameWriter reports whether two writers are equal, if they can be compared.
func sameWriter(a, b io.Writer) bool {
	return a != nil && reflect.TypeOf(a).Comparable() && a == b
}
