package sshdisk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pkg/sftp"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/link"
	"github.com/unboot/unboot/internal/cause"
)

// maxFlight is how many packets of 32 KiB are under way for a request at a time.
const maxFlight = 64

// A conn is an open file on a host.
type conn struct {
	raw   *stream
	stall time.Duration
	file  *sftp.File
	// syncer is the same file for flushes, which would keep other requests waiting. It is
	// nil if the file is only read, or the server cannot flush.
	syncer *sftp.File
	found  version

	mu      sync.Mutex
	err     error // guarded by mu: why it is over
	pending int   // guarded by mu: requests
	slow    int   // guarded by mu: of these, those that may take long
}

// A version is what the protocol says of a file to tell it from others.
type version struct {
	size  int64
	mtime time.Time // in whole seconds
}

// open opens a file.
func (d *dialer) open(ctx context.Context, path string, writable bool) (*conn, error) {
	raw, client, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{raw: raw, stall: d.stall}
	stop := context.AfterFunc(ctx, func() { c.End(cause.Of(ctx)) })
	defer stop()
	c.expect(1, false)
	defer c.expect(-1, false)
	s, err := sftp.NewClient(client, sftp.MaxConcurrentRequestsPerFile(maxFlight), sftp.UseConcurrentWrites(true))
	if err != nil {
		err = fmt.Errorf("SFTP: %w", err)
	} else {
		go func() { c.End(ended(s.Wait())) }()
		err = c.openFile(s, path, writable)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = cause.Of(ctx)
		}
		c.End(err)
		return nil, err
	}
	return c, nil
}

func ended(err error) error {
	if err == nil || err == io.EOF {
		return errors.New("the server has closed it")
	}
	return err
}

func (c *conn) openFile(s *sftp.Client, path string, writable bool) (err error) {
	flag := os.O_RDONLY
	if writable {
		flag = os.O_RDWR
	}
	if c.file, err = s.OpenFile(path, flag); err != nil {
		return err
	}
	st, err := c.file.Stat()
	if err != nil {
		return err
	}
	switch {
	case st.IsDir():
		return syscall.EISDIR
	case !st.Mode().IsRegular():
		return disk.ErrNotDisk
	case st.Size() < 0:
		return fmt.Errorf("a file of %d bytes", st.Size())
	}
	c.found = version{st.Size(), st.ModTime()}
	if _, ok := s.HasExtension("fsync@openssh.com"); ok && writable {
		c.syncer, err = s.OpenFile(path, flag)
	}
	return err
}

// call does something that waits for the server. The error is a *link.LostError if there was
// no answer.
func (c *conn) call(slow bool, do func() error) error {
	c.expect(1, slow)
	err := do()
	c.expect(-1, slow)
	if err == nil || answered(err) {
		return err
	}
	c.End(err)
	return &link.LostError{Err: c.Failed()}
}

// answered reports whether an error is the server's answer.
func answered(err error) bool {
	if errors.Is(err, sftp.ErrSSHFxConnectionLost) {
		return false
	}
	_, status := errors.AsType[*sftp.StatusError](err)
	return status || err == io.EOF || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

// expect counts requests under way. While there are any, the server must not be silent.
func (c *conn) expect(n int, slow bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending += n
	if slow {
		c.slow += n
	}
	switch {
	case c.pending == 0:
		c.raw.limit.Expect(0)
	case c.slow > 0:
		c.raw.limit.Expect(10 * c.stall)
	case n < 0 || c.pending == 1:
		c.raw.limit.Expect(c.stall)
	}
}

// Failed returns why the connection is over, or nil.
func (c *conn) Failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// End gives the connection up. The first reason counts.
func (c *conn) End(err error) {
	c.mu.Lock()
	if c.err == nil {
		if c.err = err; c.raw.silent.Load() {
			c.err = errSilent
		}
	}
	c.mu.Unlock()
	c.raw.Close()
}

// stat looks at the file.
func (c *conn) stat() (v version, err error) {
	err = c.call(false, func() error {
		st, err := c.file.Stat()
		if err == nil {
			v = version{st.Size(), st.ModTime()}
		}
		return err
	})
	return v, err
}

// disconnect says goodbye, and does not wait for an answer long.
func (c *conn) disconnect() {
	done := time.AfterFunc(closePatience, func() { c.End(os.ErrClosed) })
	defer done.Stop()
	if c.Failed() == nil {
		c.call(false, c.file.Close)
	}
	c.End(os.ErrClosed)
}
