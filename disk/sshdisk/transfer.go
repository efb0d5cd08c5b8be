package sshdisk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"syscall"
	"time"

	"github.com/pkg/sftp"

	"github.com/unboot/unboot/internal/cause"
)

// checkEvery is how often a file that is only read is looked at.
const checkEvery = time.Second

// ReadAt implements [io.ReaderAt].
func (d *Device) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, d.wrap("read", syscall.EINVAL)
	}
	var eof error
	if left := d.Size() - off; int64(len(p)) > left {
		p, eof = p[:max(left, 0)], io.EOF
	}
	for n < len(p) {
		var got int
		err := d.link.Do(func(c *conn) (err error) {
			d.requests.Add(1)
			got, err = d.read(c, p[n:], off+int64(n))
			return err
		})
		d.received.Add(int64(got))
		if n += got; err != nil {
			return n, d.wrap("read", err)
		}
	}
	return n, eof
}

// read reads a part, and the version of the file at the same time, if it was not looked at
// for long.
func (d *Device) read(c *conn, p []byte, off int64) (n int, err error) {
	var checked chan error
	now, last := time.Now().UnixNano(), d.checked.Load()
	if !d.writable && now-last > int64(checkEvery) && d.checked.CompareAndSwap(last, now) {
		checked = make(chan error, 1)
		go func() {
			v, err := c.stat()
			if err == nil {
				err = d.same(v)
			}
			checked <- err
		}()
	}
	err = c.call(false, func() error {
		n, err = c.file.ReadAt(p, off)
		return err
	})
	if checked != nil {
		if e := <-checked; e != nil {
			return 0, e
		}
	}
	switch {
	case n > 0:
		// A part is a beginning, whatever kept the rest from coming.
		return n, nil
	case err != io.EOF:
		return 0, err
	}
	v, err := c.stat()
	if err == nil {
		err = d.same(v)
	}
	if err == nil {
		err = fmt.Errorf("the server says that the file of %d bytes ends at %d", v.size, off)
	}
	return 0, err
}

// A write is bytes that were written.
type write struct {
	p   []byte
	off int64
}

// WriteAt implements [io.WriterAt]. Beyond the end, the file grows.
func (d *Device) WriteAt(p []byte, off int64) (int, error) {
	switch {
	case !d.writable:
		return 0, d.wrap("write", syscall.EROFS)
	case off < 0:
		return 0, d.wrap("write", syscall.EINVAL)
	case off > math.MaxInt64-int64(len(p)):
		return 0, d.wrap("write", syscall.EFBIG)
	}
	end := off + int64(len(p))
	d.written.Store(true)
	grow(&d.most, end)
	c, full := d.unflushed.Add(write{append([]byte(nil), p...), off}, off, int64(len(p)), len(p))
	err := d.link.Do(func(c *conn) error {
		d.requests.Add(1)
		return c.write(write{p, off})
	})
	if err != nil {
		d.unflushed.Remove(c)
		return 0, d.wrap("write", err)
	}
	d.sent.Add(int64(len(p)))
	grow(&d.size, end)
	d.unflushed.Settle(c)
	if full {
		err = d.flush()
	}
	return len(p), d.wrap("flush", err)
}

func (c *conn) write(w write) error {
	return c.call(true, func() error {
		_, err := c.file.WriteAt(w.p, w.off)
		if err == io.EOF {
			err = sftp.ErrSSHFxConnectionLost // which is no answer to a write
		}
		return err
	})
}

// grow makes a number at least n.
func grow(a interface {
	Load() int64
	CompareAndSwap(old, new int64) bool
}, n int64) {
	for {
		if v := a.Load(); v >= n || a.CompareAndSwap(v, n) {
			return
		}
	}
}

// Resize implements [disk.Resizer].
func (d *Device) Resize(size int64) error {
	if !d.writable {
		return d.wrap("resize", syscall.EROFS)
	}
	// What was written before must not be written again after it.
	if err := d.Flush(); err != nil {
		return err
	}
	d.written.Store(true)
	grow(&d.most, size)
	err := d.link.Do(func(c *conn) error {
		return c.call(true, func() error { return c.file.Truncate(size) })
	})
	if err == nil {
		d.size.Store(size)
		d.most.Store(size)
	}
	return d.wrap("resize", err)
}

// Flush makes stable what has been written, if the server can.
func (d *Device) Flush() error { return d.wrap("flush", d.flush()) }

func (d *Device) flush() error {
	if !d.writable {
		return nil
	}
	epoch := d.unflushed.Begin()
	err := d.link.Do(func(c *conn) error {
		if c.syncer == nil {
			return nil
		}
		d.requests.Add(1)
		return c.call(true, c.syncer.Sync)
	})
	if err == nil {
		d.unflushed.Drop(epoch)
	}
	return err
}

// restore writes again what was not flushed.
func (d *Device) restore(ctx context.Context, c *conn) error {
	stop := context.AfterFunc(ctx, func() { c.End(cause.Of(ctx)) })
	defer stop()
	err := d.unflushed.Each(c.write)
	if err != nil && !errors.Is(err, ErrLost) {
		return fmt.Errorf("%w: what was not flushed could not be written again: %w", ErrChanged, err)
	}
	return err
}

// wrap names the device in an error.
func (d *Device) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrLost) && d.ctx.Err() != nil {
		err = cause.Of(d.ctx)
	}
	return &fs.PathError{Op: op, Path: d.name, Err: err}
}
