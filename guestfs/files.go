package guestfs

import (
	"bytes"
	"io"
	"io/fs"
	"math"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// inFile is a file of the host that is sent.
type inFile struct {
	*os.File
	name string
}

func openIn(name string) (*inFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, pathError(err)
	}
	return &inFile{f, name}, nil
}

// size returns how much there is to send, or 0 if that is not known.
func (f *inFile) size() uint64 {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return 0
	}
	return uint64(st.Size())
}

// Read implements io.Reader.
func (f *inFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if err != nil && err != io.EOF {
		err = perror(err, "read: %s", f.name)
	}
	return n, err
}

// WriteTo hides that of os.File, whose errors are not ours.
func (f *inFile) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{f})
}

// outFile is a file of the host that is received. It is made when the first of it comes,
// so that a call that fails leaves what is there alone.
type outFile struct {
	name string
	f    *os.File
}

func (f *outFile) open() error {
	if f.f != nil {
		return nil
	}
	var err error
	f.f, err = os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOCTTY, 0o666)
	return pathError(err)
}

// Write implements io.Writer.
func (f *outFile) Write(p []byte) (int, error) {
	if err := f.open(); err != nil {
		return 0, err
	}
	n, err := f.f.Write(p)
	return n, f.writeError(err)
}

// ReadFrom implements io.ReaderFrom. What r can write to a file of the host by itself, the
// host may move without this program.
func (f *outFile) ReadFrom(r io.Reader) (int64, error) {
	if err := f.open(); err != nil {
		return 0, err
	}
	n, err := io.Copy(f.f, r)
	return n, f.writeError(err)
}

// writeError words an error of the file; others, of what is read, it returns as they are.
func (f *outFile) writeError(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		return perror(e.Err, "%s: write", f.name)
	}
	return err
}

// close closes the file after a call that returned err. A file without contents is made
// here.
func (f *outFile) close(err error) error {
	if err == nil {
		err = f.open()
	}
	if f.f == nil {
		return err
	}
	if e := f.f.Close(); e != nil && err == nil {
		err = pathError(e)
	}
	return err
}

// receive makes a call with FileOut and returns the file.
func (g *Guestfs) receive(proc uint32, a rpc.Args) ([]byte, error) {
	var b limited
	if err := g.request(&request{proc: proc, args: a, out: &b}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// limited is a buffer that holds no more than the C library could return.
type limited struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *limited) Write(p []byte) (int, error) {
	if b.Len()+len(p) > math.MaxInt32 {
		return 0, errorf(syscall.EFBIG, "file is larger than %d bytes, download it to a file", math.MaxInt32)
	}
	return b.Buffer.Write(p)
}
