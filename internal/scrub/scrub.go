// Package scrub overwrites files and devices so that nothing of their content can be read
// from the disk again, in the manner of scrub(1):
// twice with random data and once with zeros, which are read back.
//
// What a copy-on-write file system, a journal or the disk itself keeps elsewhere stays.
package scrub

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A File is what is overwritten.
type File interface {
	io.ReaderAt
	io.WriterAt
	Sync() error // to the disk
}

// ErrMismatch is the error of a file that does not hold what was written to it.
var ErrMismatch = errors.New("what is read back is not what was written")

// pieceSize is how much is written in one go, in bytes.
const pieceSize = 1 << 20

// Overwrite overwrites the first n bytes of a file. The error is an [os.SyscallError] of
// "write", "fsync" or "read", [ErrMismatch] or that of the context.
func Overwrite(ctx context.Context, f File, n int64) error {
	piece := make([]byte, pieceSize)
	for pass := range 3 {
		clear(piece)
		for off := int64(0); off < n; off += pieceSize {
			if err := ctx.Err(); err != nil {
				return err
			}
			p := piece[:min(pieceSize, n-off)]
			if pass < 2 {
				rand.Read(p)
			}
			if _, err := f.WriteAt(p, off); err != nil {
				return os.NewSyscallError("write", err)
			}
		}
		// A pass that stays in memory overwrites nothing.
		if err := f.Sync(); err != nil {
			return os.NewSyscallError("fsync", err)
		}
	}
	got := make([]byte, pieceSize)
	clear(piece)
	for off := int64(0); off < n; off += pieceSize {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := got[:min(pieceSize, n-off)]
		k, err := f.ReadAt(p, off)
		if err != nil && err != io.EOF {
			return os.NewSyscallError("read", err)
		}
		if k < len(p) || !bytes.Equal(p, piece[:len(p)]) {
			return ErrMismatch
		}
	}
	return nil
}

// Fill writes random data until n bytes are written or the file system is full, and reports
// whether it is. Data is random since a file system might leave out zeros. The error is an
// [os.SyscallError] of "write" or that of the context.
func Fill(ctx context.Context, w io.Writer, n int64) (full bool, err error) {
	piece := make([]byte, pieceSize)
	rand.Read(piece)
	size := pieceSize
	for done := int64(0); done < n; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		k, err := w.Write(piece[:size])
		done += int64(k)
		switch {
		case err == nil:
		case !errors.Is(err, unix.ENOSPC):
			return false, os.NewSyscallError("write", err)
		case size > 512 && k == 0:
			size /= 2
		case k == 0:
			return true, nil
		}
	}
	return false, nil
}
