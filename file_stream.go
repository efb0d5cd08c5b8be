package unboot

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// readPiece and writePiece are the sizes of the requests of WriteTo and
	// ReadFrom. Both are large enough for fixed costs to be small, and for
	// writing the memory still fits in a processor's second cache.
	readPiece  = 2 << 20
	writePiece = 1 << 20

	// writeAhead is after how many bytes the host begins to write to its disk
	// what it caches, which a Sync at the end waits for otherwise.
	writeAhead = 32 << 20

	// streamDepth is how many requests are in flight.
	streamDepth = 2

	// streamAlign is what offsets must be multiples of for data to take the
	// short way.
	streamAlign = 4 << 10

	// streamSmall is up to what size data takes the way through the memory of
	// the program, and is not worth a Buffer.
	streamSmall = 32 << 10
)

// WriteTo and ReadFrom call code that they know nothing of: w's Write and r's
// Read may wait forever, or for another stream of the same image, or may use this
// very File. So nothing that others can run out of is held meanwhile: no lock, and
// no lkl.Buffer, of which a kernel has few. And what can be seen of the File in
// there is what an os.File shows, whose offset moves with each Read and Write.

// plainFile reports whether x is a file or a block device of the host: a system
// call on it waits for a disk, and for nothing else.
func plainFile(x any) bool {
	file, ok := x.(*os.File)
	if !ok {
		return false
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return false
	}
	var st unix.Stat_t
	if cerr := conn.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }); cerr != nil || err != nil {
		return false
	}
	kind := st.Mode & unix.S_IFMT
	return kind == unix.S_IFREG || kind == unix.S_IFBLK
}

// limited returns what an io.LimitedReader reads from, or r.
func limited(r io.Reader) io.Reader {
	for {
		l, ok := r.(*io.LimitedReader)
		if !ok {
			return r
		}
		r = l.R
	}
}

// copyToItself copies between two sides that are the same file, where no piece
// can be read before the one in front of it was written.
func copyToItself(w io.Writer, r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{r})
}

// readFull reads until p is full, or there is an error, which comes with what was
// read before it. Unlike io.ReadFull's, it is io.EOF whenever r has ended, and is
// not forgotten when p happens to be full.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}
