package server

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// place is where something is mounted: mount i of a tree.
type place struct {
	tree int
	i    int
	m    unboot.Mount
}

// places returns all mounts, in the order of mounting.
func (s *Server) places() []place {
	var list []place
	for t, f := range s.trees {
		for i, m := range f.Mounts() {
			if m.Device != "none" {
				list = append(list, place{t, i, m})
			}
		}
	}
	return list
}

// Mounts returns the devices that are mounted.
func (s *Server) Mounts(ctx context.Context) ([]string, error) {
	list := []string{}
	for _, p := range s.places() {
		list = append(list, p.m.Device)
	}
	return list, nil
}

// Mountpoints returns the devices that are mounted, and where.
func (s *Server) Mountpoints(ctx context.Context) ([]rpc.Pair, error) {
	list := []rpc.Pair{}
	for _, p := range s.places() {
		list = append(list, rpc.Pair{Key: p.m.Device, Value: guestPath(p.m.Dir)})
	}
	return list, nil
}

// Umount unmounts a device or directory.
func (s *Server) Umount(ctx context.Context, a *rpc.UmountArgs) error {
	flags := 0
	if a.Force.Or(false) {
		flags |= unix.MNT_FORCE
	}
	if a.Lazyunmount.Or(false) {
		flags |= unix.MNT_DETACH
	}
	p, ok := s.findPlace(a.Pathordevice)
	if !ok {
		return errorf("%s: umount: %s: not mounted.", a.Pathordevice, a.Pathordevice)
	}
	err := s.unmount(p, flags)
	switch {
	case errors.Is(err, unix.EBUSY):
		return perrorText(err, "%s: umount: %s: target is busy.", a.Pathordevice, a.Pathordevice)
	case err != nil:
		return perrorText(err, "%s: umount: %s: %v.", a.Pathordevice, a.Pathordevice, err)
	}
	return nil
}

// findPlace returns where a device, or on a path what, is mounted: the last that is.
func (s *Server) findPlace(name string) (place, bool) {
	dir := ""
	if !s.isDevice(name) {
		real, err := s.realpath(name)
		if err != nil {
			return place{}, false
		}
		dir = unboot.CleanPath(real)
	}
	for _, p := range slices.Backward(s.places()) {
		if dir == "" && s.device(p.m.Device) == s.device(name) || dir == p.m.Dir && p.tree == len(s.trees)-1 {
			return p, true
		}
	}
	return place{}, false
}

func (s *Server) unmount(p place, flags int) error {
	if err := s.clearStage(); err != nil {
		return err
	}
	f := s.trees[p.tree]
	if p.i > 0 {
		return f.UnmountAt(p.m.Dir, flags)
	}
	if flags&unix.MNT_DETACH == 0 && (len(f.Mounts()) > 1 || s.readsFrom(f)) {
		return unix.EBUSY
	}
	s.trees = slices.Delete(s.trees, p.tree, p.tree+1)
	return f.Unmount()
}

// readsFrom reports whether a hive or a journal that is open is read from files of a tree.
func (s *Server) readsFrom(f *unboot.FS) bool {
	v := f.View()
	return s.hivex.file != nil && s.hivex.file.View() == v ||
		slices.ContainsFunc(s.journal.files, func(h *handle) bool { return h.View() == v })
}

// releaseFiles closes a hive and a journal that are read from files, which keep what these
// are on busy.
func (s *Server) releaseFiles() {
	s.hivex.release()
	s.journal.close()
}

// UmountAll unmounts everything. What mkmountpoint has made stays, to mount on again.
func (s *Server) UmountAll(ctx context.Context) error {
	s.releaseFiles()
	s.closeAug()
	if err := s.clearStage(); err != nil {
		return err
	}
	var errs []error
	for i, f := range slices.Backward(s.trees) {
		if f.Mounts()[0].Device == "none" {
			for _, m := range slices.Backward(f.Mounts()[1:]) {
				errs = append(errs, f.UnmountAt(m.Dir, 0))
			}
			continue
		}
		s.trees = slices.Delete(s.trees, i, i+1)
		errs = append(errs, f.Unmount())
	}
	if err := errors.Join(errs...); err != nil {
		return perrorText(err, "umount: %v", err)
	}
	return nil
}

// InternalAutosync is called before the library ends the server: when it returns,
// everything that was written is in the images.
func (s *Server) InternalAutosync(ctx context.Context) error {
	return errors.Join(s.endShell(), s.UmountAll(ctx), s.store.sync())
}
