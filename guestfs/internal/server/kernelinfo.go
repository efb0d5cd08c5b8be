package server

import (
	"context"
	"runtime"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// FilesystemAvailable reports whether the kernel has a type of file system.
func (s *Server) FilesystemAvailable(ctx context.Context, a *rpc.FilesystemAvailableArgs) (bool, error) {
	img, err := s.image()
	if err != nil {
		return false, err
	}
	text, err := img.Kernel().ReadFile("/proc/filesystems", 1<<20)
	if err != nil {
		return false, perror(err, "/proc/filesystems")
	}
	for line := range strings.Lines(string(text)) {
		// The type follows "nodev" or nothing.
		if _, name, ok := strings.Cut(line, "\t"); ok && strings.TrimSpace(name) == a.Filesystem {
			return true, nil
		}
	}
	return false, nil
}

// machines are the names that uname(2) has for what Go calls otherwise.
var machines = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "ppc64le": "ppc64le", "riscv64": "riscv64"}

// Utsname returns what uname(2) says in the kernel.
func (s *Server) Utsname(ctx context.Context) (*rpc.Utsname, error) {
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	u := &rpc.Utsname{UtsMachine: machines[runtime.GOARCH]}
	for name, v := range map[string]*string{"ostype": &u.UtsSysname, "osrelease": &u.UtsRelease, "version": &u.UtsVersion} {
		text, err := img.Kernel().ReadFile("/proc/sys/kernel/"+name, 1024)
		if err != nil {
			return nil, perror(err, "/proc/sys/kernel/%s", name)
		}
		*v = strings.TrimSpace(string(text))
	}
	return u, nil
}
