package server

import (
	"context"
	"encoding/base64"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// writeFlags make or truncate a file.
const writeFlags = unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC

// Upload writes a file, or over a device from its start.
func (s *Server) Upload(ctx context.Context, a *rpc.UploadArgs, in io.Reader) error {
	h, err := s.openPath(a.Remotefilename, writeFlags, s.createPerm())
	if err != nil {
		return perror(err, "%s", a.Remotefilename)
	}
	return h.closed(h.fill(ctx, in, 0))
}

// UploadOffset writes at an offset of a file, which is not truncated, or of a device.
func (s *Server) UploadOffset(ctx context.Context, a *rpc.UploadOffsetArgs, in io.Reader) error {
	if a.Offset < 0 {
		return errorf("%s: offset in file is negative", a.Remotefilename)
	}
	h, err := s.openPath(a.Remotefilename, unix.O_WRONLY|unix.O_CREAT, s.createPerm())
	if err != nil {
		return perror(err, "%s", a.Remotefilename)
	}
	return h.closed(h.fill(ctx, in, a.Offset))
}

// fill writes all that comes in, from an offset on. Of an error of in, nothing is said: the
// library knows.
func (h *handle) fill(ctx context.Context, in io.Reader, off int64) error {
	w := &failing{w: io.NewOffsetWriter(h, off)}
	_, err := io.Copy(&meter{ctx: ctx, w: w, total: progressHint(ctx)}, in)
	if w.err != nil {
		return perror(w.err, "write: %s", h.Name())
	}
	return err
}

// failing keeps the error of a writer, apart from that of what it copies.
type failing struct {
	w   io.Writer
	err error
}

func (f *failing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		f.err = err
	}
	return n, err
}

// Download reads a file or device.
func (s *Server) Download(ctx context.Context, a *rpc.DownloadArgs, out io.Writer) error {
	h, err := s.openRead(a.Remotefilename)
	if err != nil {
		return err
	}
	defer h.close()
	return h.send(ctx, out, 0, -1)
}

// DownloadOffset reads size bytes of a file or device, or what is there of them.
func (s *Server) DownloadOffset(ctx context.Context, a *rpc.DownloadOffsetArgs, out io.Writer) error {
	switch {
	case a.Offset < 0:
		return errorf("%s: offset in file is negative", a.Remotefilename)
	case a.Size < 0:
		return errorf("%s: size is negative", a.Remotefilename)
	}
	h, err := s.openRead(a.Remotefilename)
	if err != nil {
		return err
	}
	defer h.close()
	return h.send(ctx, out, a.Offset, a.Size)
}

// Base64Out reads a file, encoded in lines of 76 characters.
func (s *Server) Base64Out(ctx context.Context, a *rpc.Base64OutArgs, out io.Writer) error {
	h, err := s.openRead(a.Filename)
	if err != nil {
		return err
	}
	defer h.close()
	lines := &lineWriter{w: out}
	enc := base64.NewEncoder(base64.StdEncoding, lines)
	if _, err = h.writeTo(ctx, enc, 0, -1); err == nil {
		err = enc.Close()
	}
	if err != nil {
		return err
	}
	return lines.end()
}

// lineWriter puts the ends of lines into what base64 encodes.
type lineWriter struct {
	w   io.Writer
	n   int // in the current line
	buf []byte
}

// base64Line is the length of lines, that of MIME and base64(1).
const base64Line = 76

func (l *lineWriter) Write(p []byte) (int, error) {
	size := len(p)
	l.buf = l.buf[:0]
	for len(p) > 0 {
		k := min(len(p), base64Line-l.n)
		l.buf = append(l.buf, p[:k]...)
		p = p[k:]
		if l.n += k; l.n == base64Line {
			l.buf = append(l.buf, '\n')
			l.n = 0
		}
	}
	if _, err := l.w.Write(l.buf); err != nil {
		return 0, err
	}
	return size, nil
}

func (l *lineWriter) end() error {
	if l.n == 0 {
		return nil
	}
	_, err := l.w.Write([]byte("\n"))
	return err
}

// Base64In writes a file from what is encoded.
func (s *Server) Base64In(ctx context.Context, a *rpc.Base64InArgs, in io.Reader) error {
	h, err := s.openPath(a.Filename, writeFlags, s.createPerm())
	if err != nil {
		return perror(err, "%s", a.Filename)
	}
	err = h.fill(ctx, base64.NewDecoder(base64.StdEncoding, in), 0)
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) || err == io.ErrUnexpectedEOF {
		err = errorf("base64: invalid input")
	}
	return h.closed(err)
}

// InternalWrite writes a file.
func (s *Server) InternalWrite(ctx context.Context, a *rpc.InternalWriteArgs) error {
	return s.writeAll(a.Path, a.Content, writeFlags)
}

// InternalWriteAppend writes to the end of a file.
func (s *Server) InternalWriteAppend(ctx context.Context, a *rpc.InternalWriteAppendArgs) error {
	return s.writeAll(a.Path, a.Content, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND)
}

// WriteFile writes the first size bytes of a string, or all of it if size is 0.
func (s *Server) WriteFile(ctx context.Context, a *rpc.WriteFileArgs) error {
	size := a.Size
	if size == 0 {
		size = len(a.Content)
	}
	if size < 0 || size > len(a.Content) {
		return errorf("size parameter is larger than string content")
	}
	return s.writeAll(a.Path, []byte(a.Content[:size]), writeFlags)
}

func (s *Server) writeAll(p string, content []byte, flags int) error {
	h, err := s.openPath(p, flags, s.createPerm())
	if err != nil {
		return perror(err, "open: %s", p)
	}
	if len(content) > 0 {
		_, err = h.Write(content)
	}
	if err != nil {
		err = perror(err, "write: %s", p)
	}
	return h.closed(err)
}

// maxPread is how much a message has room for.
const maxPread = protocol.MessageMax - 1024

// Pread reads a part of a file.
func (s *Server) Pread(ctx context.Context, a *rpc.PreadArgs) ([]byte, error) {
	return s.pread(a.Path, a.Count, a.Offset)
}

// PreadDevice reads a part of a device.
func (s *Server) PreadDevice(ctx context.Context, a *rpc.PreadDeviceArgs) ([]byte, error) {
	return s.pread(a.Device, a.Count, a.Offset)
}

func (s *Server) pread(name string, count int, off int64) ([]byte, error) {
	switch {
	case count < 0:
		return nil, errorf("count is negative")
	case off < 0:
		return nil, errorf("offset is negative")
	case count >= maxPread:
		return nil, errorf("%s: count is too large for the protocol, use smaller reads", name)
	}
	h, err := s.openPath(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, perror(err, "open: %s", name)
	}
	defer h.close()
	buf := make([]byte, count)
	n, err := h.ReadAt(buf, off)
	if err != nil && err != io.EOF {
		return nil, perror(err, "pread: %s", name)
	}
	return buf[:n], nil
}

// Pwrite writes to an offset of a file, and returns how much it wrote.
func (s *Server) Pwrite(ctx context.Context, a *rpc.PwriteArgs) (int, error) {
	return s.pwrite(a.Path, a.Content, a.Offset)
}

// PwriteDevice writes to an offset of a device, and returns how much it wrote.
func (s *Server) PwriteDevice(ctx context.Context, a *rpc.PwriteDeviceArgs) (int, error) {
	return s.pwrite(a.Device, a.Content, a.Offset)
}

func (s *Server) pwrite(name string, content []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errorf("offset is negative")
	}
	h, err := s.openPath(name, unix.O_WRONLY, 0)
	if err != nil {
		return 0, perror(err, "open: %s", name)
	}
	n, err := h.WriteAt(content, off)
	if err != nil {
		err = perror(err, "pwrite: %s", name)
	}
	return n, h.closed(err)
}
