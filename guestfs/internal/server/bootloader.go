package server

import (
	"context"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
)

// GrubInstall installs GRUB on a device, with its files below a directory.
func (s *Server) GrubInstall(ctx context.Context, a *rpc.GrubInstallArgs) error {
	name := "grub-install"
	if !hosttool.Has(name) && hosttool.Has("grub2-install") {
		name = "grub2-install"
	}
	_, _, err := s.runProgram(ctx, program{
		name: name, args: []string{"--root-directory=" + s.inTree(a.Root), a.Device}, tree: true,
	})
	return err
}

// Syslinux installs SYSLINUX on a FAT.
func (s *Server) Syslinux(ctx context.Context, a *rpc.SyslinuxArgs) error {
	args := []string{"--install", "--force"}
	if a.Directory.Set {
		args = append(args, "--directory", a.Directory.Value)
	}
	_, _, err := s.runProgram(ctx, program{name: "syslinux", args: append(args, a.Device)})
	return ofDeviceText(err, a.Device)
}

// Extlinux installs EXTLINUX in a directory.
func (s *Server) Extlinux(ctx context.Context, a *rpc.ExtlinuxArgs) error {
	_, _, err := s.runProgram(ctx, program{name: "extlinux", args: []string{"--install", s.inTree(a.Directory)}, tree: true})
	return ofDeviceText(err, a.Directory)
}

// rsync copies with rsync(1).
func (s *Server) rsync(ctx context.Context, archive, deleteDest rpc.Opt[bool], src, dest string) error {
	var args []string
	if archive.Or(false) {
		args = append(args, "--archive")
	}
	if deleteDest.Or(false) {
		args = append(args, "--delete")
	}
	_, _, err := s.runProgram(ctx, program{name: "rsync", args: append(args, "--", src, dest), tree: true})
	return err
}

// syncPath returns a path as rsync(1) takes it: a slash at its end says that the directory
// itself is not meant.
func (s *Server) syncPath(name string) string {
	if strings.HasSuffix(name, "/") {
		return strings.TrimSuffix(s.inTree(name), "/") + "/"
	}
	return s.inTree(name)
}

// Rsync copies from one place of the guest to another.
func (s *Server) Rsync(ctx context.Context, a *rpc.RsyncArgs) error {
	return s.rsync(ctx, a.Archive, a.Deletedest, s.syncPath(a.Src), s.syncPath(a.Dest))
}

// RsyncIn copies from another host.
func (s *Server) RsyncIn(ctx context.Context, a *rpc.RsyncInArgs) error {
	return s.rsync(ctx, a.Archive, a.Deletedest, a.Remote, s.syncPath(a.Dest))
}

// RsyncOut copies to another host. As with the daemon, the source may have wildcards.
func (s *Server) RsyncOut(ctx context.Context, a *rpc.RsyncOutArgs) error {
	return s.rsync(ctx, a.Archive, a.Deletedest, s.syncPath(a.Src), a.Remote)
}
