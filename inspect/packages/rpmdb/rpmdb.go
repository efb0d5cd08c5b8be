// Package rpmdb reads the database of installed packages of RPM, in each of the forms
// it has had since 2003, without the program or a library of the database:
//
//   - Berkeley DB, hash, the file Packages (until RHEL 8, Fedora 32);
//   - NDB, the file Packages.db (openSUSE, SLES 15 SP3 and later);
//   - SQLite, the file rpmdb.sqlite with its write-ahead log (RHEL 9, Fedora 33 and later).
//
// [DB.Headers] yields what the database has for each package: a header, in which
// [ParseHeader] finds the tags.
//
// # Why readers of its own
//
// One table of a database is read, once, from the first page to the last: there are no
// queries, no locks and no writes. That takes some hundred lines for all three kinds, which
// read through an io.ReaderAt, and so from inside of an image. A complete SQLite in Go (modernc.org/sqlite, with
// github.com/knqyf263/go-rpmdb) makes a program that lists packages 5 MB larger and
// brings 12 modules, and it opens files of the host by their paths.
//
// # Hostile databases
//
// Pages are visited once, chains of pages end where the length that they were
// announced with ends, and all that is yielded together is no larger than the file:
// whatever the pages say, time and memory are bounded by the size of the file.
package rpmdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxHeader is the size of the largest header that is yielded, in bytes. RPM itself
// allows 256 MiB; a package with 100,000 files has 20 MiB.
const MaxHeader = 64 << 20

// Errors of reading, which others wrap.
var (
	// ErrFormat says that a file is not one of the kinds of RPM database that are known.
	ErrFormat = errors.New("not an RPM database")
	// ErrCorrupt says that a database makes no sense.
	ErrCorrupt = errors.New("RPM database is corrupt")
)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// A DB is a database file.
type DB struct {
	R    io.ReaderAt
	Size int64 // bytes
	// Log is the write-ahead log of an SQLite database, the file with "-wal" at
	// the end of its name, or nil. What was committed to it counts.
	Log     io.ReaderAt
	LogSize int64
}

// Headers yields the headers of all packages, in the order of the file. The bytes are
// the caller's until it asks for the next one. A header that cannot be read is an error,
// after which others may follow; they wrap [ErrFormat] or [ErrCorrupt] or are those of
// reading.
func (db DB) Headers() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f := &file{cache: newCache(db.R, db.Size), budget: db.Size + db.LogSize, yield: yield}
		head := make([]byte, 512)
		n, err := db.R.ReadAt(head[:min(512, max(db.Size, 0))], 0)
		if err != nil && err != io.EOF {
			yield(nil, err)
			return
		}
		switch head = head[:n]; {
		case bytes.HasPrefix(head, []byte(sqliteMagic)):
			err = f.sqlite(db, head)
		case len(head) >= ndbHeader && binary.LittleEndian.Uint32(head) == ndbMagic:
			err = f.ndb(head)
		case len(head) >= bdbMeta && bdbOrder(head) != nil:
			err = f.bdb(head)
		default:
			err = ErrFormat
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// errStop ends a walk early, because the caller has what it wanted.
var errStop = errors.New("stop")

// file is one reading of a database.
type file struct {
	*cache
	budget int64 // bytes that may still be yielded
	yield  func([]byte, error) bool
	errs   int
}

// maxErrors bounds how many broken headers are reported.
const maxErrors = 100

// emit yields a header.
func (f *file) emit(blob []byte) error {
	if !f.yield(blob, nil) {
		return errStop
	}
	return nil
}

// fail yields an error that concerns one header only.
func (f *file) fail(err error) error {
	if f.errs++; f.errs > maxErrors {
		return err
	}
	if !f.yield(nil, err) {
		return errStop
	}
	return nil
}

// reserve checks the length of a header before there is memory for it.
func (f *file) reserve(n int64) error {
	if n < 0 || n > MaxHeader {
		return corrupt("a header of %d bytes", n)
	}
	if n > f.budget {
		return corrupt("more data than the file has")
	}
	f.budget -= n
	return nil
}
