package disk

import (
	"io"
	"syscall"
)

// Empty is a disk of size 0: what an empty file is, which may be a backing file, or what is
// below an image that has none.
type Empty struct{}

// ReadAt returns io.EOF.
func (Empty) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }

// WriteAt fails.
func (Empty) WriteAt([]byte, int64) (int, error) { return 0, syscall.EROFS }

// Size returns 0.
func (Empty) Size() int64 { return 0 }

// Flush does nothing.
func (Empty) Flush() error { return nil }

// Close does nothing.
func (Empty) Close() error { return nil }
