package source

import (
	"io"
	"syscall"
)

// empty is a file of size 0, which is not a disk but may be a backing file of one.
type empty struct{}

func (empty) ReadAt([]byte, int64) (int, error)  { return 0, io.EOF }
func (empty) WriteAt([]byte, int64) (int, error) { return 0, syscall.EROFS }
func (empty) Size() int64                        { return 0 }
func (empty) Flush() error                       { return nil }
func (empty) Close() error                       { return nil }
