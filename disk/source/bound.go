package source

import (
	"context"
	"errors"
	"io"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/cause"
)

// bind ties a device to a context: when that has ended, reads, writes and flushes return
// its cause. One that is in flight does so as soon as the device gives up, which is the
// transport's part. Reads of the host's own files are not interrupted, as nothing can.
func bind(ctx context.Context, d disk.Device) disk.Device {
	if ctx.Done() == nil {
		return d
	}
	return &bound{d, ctx}
}

type bound struct {
	disk.Device
	ctx context.Context
}

// Unwrap makes it a [disk.Wrapper].
func (b *bound) Unwrap() disk.Device { return b.Device }

func (b *bound) ReadAt(p []byte, off int64) (int, error) {
	if b.ctx.Err() != nil {
		return 0, cause.Of(b.ctx)
	}
	n, err := b.Device.ReadAt(p, off)
	return n, b.cause(err)
}

func (b *bound) WriteAt(p []byte, off int64) (int, error) {
	if b.ctx.Err() != nil {
		return 0, cause.Of(b.ctx)
	}
	n, err := b.Device.WriteAt(p, off)
	return n, b.cause(err)
}

func (b *bound) Flush() error {
	if b.ctx.Err() != nil {
		return cause.Of(b.ctx)
	}
	return b.cause(b.Device.Flush())
}

// cause returns why something failed: that the context has ended, if it has.
func (b *bound) cause(err error) error {
	if err == nil || errors.Is(err, io.EOF) || b.ctx.Err() == nil {
		return err
	}
	return cause.Of(b.ctx)
}
