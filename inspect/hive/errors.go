package hive

import (
	"fmt"
	"syscall"
)

// An errno is an error of this package that is a kind of a system's error too.
type errno struct {
	text string
	code syscall.Errno
}

func (e *errno) Error() string { return e.text }

// Unwrap returns the system's error that hivex would set.
func (e *errno) Unwrap() error { return e.code }

// The errors of this package. Each is also the errno that hivex sets: EINVAL,
// EROFS, ENOSPC. What is not there, or there already, is an error that wraps
// fs.ErrNotExist or fs.ErrExist.
var (
	// ErrNotHive: the file is not a hive, or is one of a version that is not known.
	ErrNotHive error = &errno{"not a registry hive", syscall.EINVAL}
	// ErrCorrupt: a record of the file makes no sense. It is wrapped by a
	// [*CorruptError].
	ErrCorrupt error = &errno{"the hive is corrupt", syscall.ENOTSUP}
	// ErrHandle: a number that is not the handle of a node, or of a value.
	ErrHandle error = &errno{"no such handle", syscall.EINVAL}
	// ErrType: the value has another type than the call is made for, or too few
	// bytes for it.
	ErrType error = &errno{"the value has another type", syscall.EINVAL}
	// ErrInvalid: an argument that no hive can hold.
	ErrInvalid error = &errno{"invalid argument", syscall.EINVAL}
	// ErrReadOnly: the hive was not opened for writing.
	ErrReadOnly error = &errno{"the hive is open for reading only", syscall.EROFS}
	// ErrTooLarge: the hive is larger than [MaxSize], or would be.
	ErrTooLarge error = &errno{"the hive is too large", syscall.ENOSPC}
)

// A CorruptError says what is wrong with a hive, and where.
type CorruptError struct {
	Offset int64 // in the file, in bytes
	Text   string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s at offset %#x: %s", ErrCorrupt, e.Offset, e.Text)
}

// Unwrap returns [ErrCorrupt].
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// corrupt returns a [*CorruptError] about the cell at a ref.
func corrupt(at ref, format string, args ...any) error {
	return &CorruptError{at.offset(), fmt.Sprintf(format, args...)}
}
