package server

import (
	"context"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/lkl"
)

// inotify is the one set of watches that programs can have.
type inotify struct {
	open bool
	v    *lkl.View
	fd   int
}

// maxEvents bounds the events of one inotify_read: as many as a message surely holds.
const maxEvents = 1000

// InotifyInit begins to watch. To begin anew ends what is watched. The length of the
// kernel's queue stays what it is.
func (s *Server) InotifyInit(ctx context.Context, a *rpc.InotifyInitArgs) error {
	if a.Maxevents < 0 {
		return errorf("maxevents < 0")
	}
	if s.inotify.open {
		if err := s.InotifyClose(ctx); err != nil {
			return err
		}
	}
	img, err := s.image()
	if err != nil {
		return err
	}
	v := &img.Kernel().View // which outlives what is mounted
	fd, err := v.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return perror(err, "inotify_init1")
	}
	s.inotify = inotify{open: true, v: v, fd: fd}
	return nil
}

func (s *Server) needInotify(name string) error {
	if !s.inotify.open {
		return errorf("do_%s: you must call 'inotify_init' first to initialize inotify", name)
	}
	return nil
}

// InotifyAddWatch watches a path, and returns the number of the watch.
func (s *Server) InotifyAddWatch(ctx context.Context, a *rpc.InotifyAddWatchArgs) (int64, error) {
	if err := s.needInotify("inotify_add_watch"); err != nil {
		return 0, err
	}
	wd, err := s.view().InotifyAddWatch(s.inotify.fd, a.Path, uint32(a.Mask))
	if err != nil {
		return 0, perror(err, "%s", a.Path)
	}
	return int64(wd), nil
}

// InotifyRmWatch ends a watch.
func (s *Server) InotifyRmWatch(ctx context.Context, a *rpc.InotifyRmWatchArgs) error {
	if err := s.needInotify("inotify_rm_watch"); err != nil {
		return err
	}
	if _, err := s.inotify.v.InotifyRmWatch(s.inotify.fd, uint32(a.Wd)); err != nil {
		return perror(err, "%d", a.Wd)
	}
	return nil
}

// InotifyRead returns the events that have happened.
func (s *Server) InotifyRead(ctx context.Context) ([]rpc.InotifyEvent, error) {
	if err := s.needInotify("inotify_read"); err != nil {
		return nil, err
	}
	events := []rpc.InotifyEvent{}
	// Room for one event with the longest of names at least.
	buf := make([]byte, unix.SizeofInotifyEvent+unix.NAME_MAX+1)
	for len(events) < maxEvents {
		n, err := s.inotify.v.Read(s.inotify.fd, buf)
		if err == unix.EAGAIN || err == nil && n == 0 {
			break
		}
		if err != nil {
			return nil, perror(err, "read")
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			size := unix.SizeofInotifyEvent + int(binary.LittleEndian.Uint32(b[12:]))
			if size > len(b) {
				return nil, perror(unix.EIO, "read")
			}
			name := b[unix.SizeofInotifyEvent:size]
			if i := slices.Index(name, 0); i >= 0 {
				name = name[:i]
			}
			events = append(events, rpc.InotifyEvent{
				InWd: int64(int32(binary.LittleEndian.Uint32(b))), InMask: binary.LittleEndian.Uint32(b[4:]),
				InCookie: binary.LittleEndian.Uint32(b[8:]), InName: string(name),
			})
			b = b[size:]
		}
	}
	return events, nil
}

// InotifyFiles returns the names of the files to which something has happened, sorted,
// each once.
func (s *Server) InotifyFiles(ctx context.Context) ([]string, error) {
	if err := s.needInotify("inotify_files"); err != nil {
		return nil, err
	}
	files := []string{}
	for {
		events, err := s.InotifyRead(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if e.InName != "" {
				files = append(files, e.InName)
			}
		}
		slices.Sort(files)
		files = slices.Compact(files)
		if len(events) < maxEvents || ctx.Err() != nil {
			return files, ctx.Err()
		}
	}
}

// InotifyClose ends all watches.
func (s *Server) InotifyClose(ctx context.Context) error {
	if err := s.needInotify("inotify_close"); err != nil {
		return err
	}
	err := s.inotify.v.CloseFd(s.inotify.fd)
	s.inotify = inotify{}
	if err != nil {
		return perror(err, "close")
	}
	return nil
}
