package server

import (
	"bufio"
	"context"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/cpio"
)

// CpioOut writes a directory as an archive of cpio(1). Its members are "." and what is
// below. Files of 4 GiB or more do not fit the format.
func (s *Server) CpioOut(ctx context.Context, a *rpc.CpioOutArgs, out io.Writer) error {
	format := a.Format.Or("newc")
	if format != "newc" && format != "crc" {
		return errorf("%s: format must be 'newc' or 'crc'", format)
	}
	root, err := s.directory(a.Directory)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(out, 256<<10)
	w := cpio.NewWriter(buffered, format == "crc")
	for e, err := range s.tree().Walk(root, &unboot.WalkOptions{Links: true}) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			name := below(root, e.Path())
			if name == "" {
				name = "."
			}
			err = s.cpioMember(ctx, w, e, name, format == "crc")
		}
		if err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}

func (s *Server) cpioMember(ctx context.Context, w *cpio.Writer, e *unboot.Entry, name string, sums bool) error {
	st := e.Stat
	switch fileType(&st) {
	case unix.S_IFLNK:
		if err := w.Add(name, &st, int64(len(e.Link)), 0); err != nil {
			return err
		}
		_, err := io.WriteString(w, e.Link)
		return err
	case unix.S_IFREG:
	case unix.S_IFSOCK:
		return nil
	default:
		return w.Add(name, &st, 0, 0)
	}
	h, err := s.openPath(guestPath(e.Path()), unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return perror(err, "%s", guestPath(e.Path()))
	}
	defer h.close()
	size := e.Size()
	var sum cpio.Sum
	if sums && size < 1<<32 {
		if _, err := h.writeTo(ctx, &sum, 0, size); err != nil {
			return perror(err, "%s", h.Name())
		}
	}
	if err := w.Add(name, &st, size, sum); err == cpio.ErrTooLarge {
		return errorf("cpio: %s: %v", name, err)
	} else if err != nil {
		return err
	}
	_, err = h.writeTo(ctx, w, 0, size)
	return err
}
