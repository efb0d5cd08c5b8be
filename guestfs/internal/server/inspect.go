package server

import (
	"context"
	"errors"
	"slices"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/packages"
	"github.com/unboot/unboot/inspect/registry"
	"github.com/unboot/unboot/internal/devname"
)

// # Inspection
//
// Package inspect does the work. It sees the drives as they are, and whatever has to be
// done to read them, such as to replay a journal, is done to an overlay that is thrown
// away: those drives that must not be changed have one in any case, and for others the
// same images are opened once more, by a kernel that has them read-only. So inspection
// never changes an image, and what it mounts is nothing that programs see. Where something
// encrypted is open, that other kernel has no key: there the image itself is mounted for
// reading, as the appliance does it.

var inspector = inspect.Inspector{OpenHive: registry.Open}

// InspectOs unmounts everything, and looks for operating systems. It returns their roots.
func (s *Server) InspectOs(ctx context.Context) ([]string, error) {
	s.roots = nil
	if err := s.UmountAll(ctx); err != nil {
		return nil, err
	}
	if len(s.config.Drives) == 0 {
		return []string{}, nil
	}
	img, done, err := s.imageToInspect(ctx)
	if err != nil {
		return nil, err
	}
	found, err := img.Inspect(inspector.Image, unboot.ReadOnly())
	found.Close()
	end := img.Kernel().Err()
	err = errors.Join(err, done())
	if end != nil { // which says nothing about what would have been found
		return nil, limitError(end, end)
	}
	if err != nil {
		// Devices without a system, most of them, which is not an error.
		s.logf("inspect_os: %v", err)
	}
	for _, r := range found.Roots {
		for _, p := range r.Problems {
			s.logf("inspect_os: %s: %s", r.Device, p)
		}
	}
	// Since 1.38 libguestfs takes no notice of media that install a system.
	s.roots = found.Installed()
	return s.InspectGetRoots(ctx)
}

// imageToInspect returns the drives so that reading them changes nothing, and what is to
// be called in the end.
func (s *Server) imageToInspect(ctx context.Context) (img *unboot.Image, done func() error, err error) {
	img, err = s.image()
	if err != nil {
		return nil, nil, err
	}
	unlocked := func(d *unboot.Device) bool { return d.Kind == unboot.KindCrypt }
	if !slices.ContainsFunc(s.config.Drives, keeps) || slices.ContainsFunc(img.Devices(), unlocked) {
		return img, func() error { return nil }, nil
	}
	if err := s.store.sync(); err != nil { // what was written is to be seen
		return nil, nil, err
	}
	opts := []unboot.Option{unboot.NoLock()}
	var closers []func() error
	done = func() error {
		var errs []error
		for _, f := range slices.Backward(closers) {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	for i, d := range s.config.Drives {
		if served := s.engine.served[i]; served != nil {
			// A server may have one client at a time.
			opts = append(opts, unboot.AddDevice(d.Path, served, blockSizes(d), unboot.Scratch()))
			continue
		}
		d.ReadOnly = true
		o, closer, err := openDrive(d)
		if err != nil {
			return nil, nil, errors.Join(perror(err, "%s", devname.Disk(i)), done())
		}
		if closer != nil {
			closers = append(closers, closer.Close)
		}
		opts = append(opts, o)
	}
	img, err = unboot.Open(context.WithoutCancel(ctx), "", opts...)
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	closers = append(closers, img.Close)
	if err := img.Kernel().LimitCPU(s.cpu.of(img)); err != nil {
		s.logf("%v", err)
	}
	return img, done, nil
}

// keeps reports whether a drive keeps what is written to it.
func keeps(d Drive) bool { return !d.ReadOnly && !isLibraryOverlay(d) }

// InspectGetRoots returns the roots that inspect_os has found.
func (s *Server) InspectGetRoots(ctx context.Context) ([]string, error) {
	names := []string{}
	for _, r := range s.roots {
		names = append(names, r.Device)
	}
	return names, nil
}

// inspected returns what inspect_os has found out about a root.
func (s *Server) inspected(root string) (*inspect.Root, error) {
	for _, r := range s.roots {
		if r.Device == root {
			return r, nil
		}
	}
	if len(s.roots) == 0 {
		return nil, errorf("no inspection data: call guestfs_inspect_os first")
	}
	return nil, errorf("%s: root device not found: only call this function with a root device previously returned by guestfs_inspect_os", root)
}

// InternalListRpmApplications lists the packages in the RPM database of what is mounted.
func (s *Server) InternalListRpmApplications(ctx context.Context) ([]rpc.Application2, error) {
	if !s.mounted() {
		return nil, errorf("you must call 'mount' first to mount the root filesystem")
	}
	list, err := packages.List(s.tree(), "rpm")
	if err != nil {
		if len(list) == 0 && !errors.Is(err, packages.ErrNoDatabase) {
			return nil, errorf("%v", err)
		}
		s.logf("internal_list_rpm_applications: %v", err)
	}
	apps := make([]rpc.Application2, 0, len(list))
	for _, p := range list {
		apps = append(apps, rpc.Application2{
			App2Name: p.Name, App2DisplayName: p.DisplayName, App2Epoch: p.Epoch, App2Version: p.Version,
			App2Release: p.Release, App2Arch: p.Arch, App2InstallPath: p.InstallPath, App2Publisher: p.Publisher,
			App2Url: p.URL, App2SourcePackage: p.SourcePackage, App2Summary: p.Summary, App2Description: p.Description,
		})
	}
	return apps, nil
}
