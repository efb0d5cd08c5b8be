package disk

import (
	"io"
)

// A Device is a disk that is served by this program. Its methods may be called
// from several goroutines at once, with offsets and lengths that are multiples
// of the sector size and within Size.
//
// Further capabilities of a Device are found by [As]: see [Discarder], [ZeroWriter],
// [Extenter], [Resizer], [HostFile], [SectorSizer], [WritebackStarter] and [Locker].
type Device interface {
	io.ReaderAt
	io.WriterAt
	// Size returns the size in bytes.
	Size() int64
	// Flush makes stable what has been written, as fdatasync(2).
	Flush() error
	// Close gives up what the device holds of the host. Everything should have been
	// flushed before.
	Close() error
}
