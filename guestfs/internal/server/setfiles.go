package server

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
)

// errNoSELinux is what /proc/self/attr/current answers in a kernel without SELinux.
const errNoSELinux = unix.EINVAL

// guestSetfiles is where a guest has setfiles(8).
var guestSetfiles = []string{"/usr/sbin/setfiles", "/sbin/setfiles"}

// notLabelled are directories whose files have no labels on a disk.
var notLabelled = []string{"/dev", "/proc", "/selinux", "/sys"}

// SelinuxRelabel gives files the labels that a file of the guest has for them.
func (s *Server) SelinuxRelabel(ctx context.Context, a *rpc.SelinuxRelabelArgs) error {
	return s.setfiles(ctx, a.Specfile, []string{a.Path}, a.Force.Or(false))
}

// Setfiles is SelinuxRelabel of several directories.
func (s *Server) Setfiles(ctx context.Context, a *rpc.SetfilesArgs) error {
	return s.setfiles(ctx, a.Specfile, a.Paths, a.Force.Or(false))
}

// setfiles labels files with setfiles(8), the host's or else the guest's.
func (s *Server) setfiles(ctx context.Context, specfile string, paths []string, force bool) error {
	for _, p := range append([]string{specfile}, paths...) {
		if len(p) == 0 || p[0] != '/' {
			return errorf("path must start with a / character")
		}
	}
	if !s.mounted() {
		return errorf("you must call 'mount' first to mount the root filesystem")
	}
	args := []string{"-q"}
	if force {
		args = append(args, "-F")
	}
	if !hosttool.Has("setfiles") && s.hasProgram(guestSetfiles...) {
		for _, dir := range notLabelled {
			args = append(args, "-e", dir)
		}
		args = append(append([]string{"setfiles"}, args...), specfile)
		_, err := s.command(ctx, append(args, paths...), nil)
		return err
	}
	for _, dir := range notLabelled {
		args = append(args, "-e", treePlace+dir)
	}
	args = append(args, "-r", treePlace, s.inTree(specfile))
	for _, p := range paths {
		args = append(args, s.inTree(p))
	}
	_, _, err := s.runProgram(ctx, program{name: "setfiles", args: args, tree: true})
	return err
}

// hasProgram reports whether the guest has one of some files.
func (s *Server) hasProgram(names ...string) bool {
	for _, name := range names {
		if _, err := s.stat(name); err == nil {
			return true
		}
	}
	return false
}

// Setcon would change the daemon's own label. There is no SELinux in our kernel.
func (s *Server) Setcon(ctx context.Context, a *rpc.SetconArgs) error {
	return perror(errNoSELinux, "setcon")
}

// Getcon would return the daemon's own label.
func (s *Server) Getcon(ctx context.Context) (string, error) {
	return "", perror(errNoSELinux, "getcon")
}
