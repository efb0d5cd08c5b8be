package server

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/augeas"
)

// augGuest is what is mounted, as package augeas takes it.
type augGuest struct{ s *Server }

func (g augGuest) Mounted() bool { return g.s.mounted() }
func (g augGuest) Perm() uint32  { return g.s.createPerm() }

func (g augGuest) Glob(ctx context.Context, pattern string) ([]string, error) {
	return g.s.glob(ctx, pattern)
}

// Open opens a file of the guest: openPath would open a device of that name.
func (g augGuest) Open(name string, flags int, perm uint32) (augeas.File, error) {
	f, err := g.s.tree().OpenPath(name, flags, perm)
	if err != nil {
		return nil, err
	}
	return augFile{&handle{File: f}}, nil
}

func (g augGuest) Stat(name string) (unix.Statx_t, error)  { return g.s.stat(name) }
func (g augGuest) Lstat(name string) (unix.Statx_t, error) { return g.s.lstat(name) }
func (g augGuest) Remove(name string) error                { return g.s.view().Unlinkat(cwd, name, 0) }
func (g augGuest) Realpath(name string) (string, error)    { return g.s.realpath(name) }

// augFile is a file that package augeas has open.
type augFile struct{ *handle }

func (f augFile) Stat() (unix.Statx_t, error) { return f.stat() }
func (f augFile) Chmod(mode uint32) error     { return f.View().Fchmod(f.Fd(), mode) }
