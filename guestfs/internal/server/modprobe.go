package server

import (
	"context"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// Modprobe loads a driver. All that there are are in the kernel: it does nothing, or says, as
// modprobe(8) does, that there is none of a name.
func (s *Server) Modprobe(ctx context.Context, a *rpc.ModprobeArgs) error {
	img, err := s.image()
	if err != nil {
		return err
	}
	name := strings.ReplaceAll(a.Modulename, "-", "_")
	fs, err := s.FilesystemAvailable(ctx, &rpc.FilesystemAvailableArgs{Filesystem: name})
	if err != nil || fs {
		return err
	}
	if name != "" && !strings.ContainsAny(name, "/.\x00") {
		var st unix.Statx_t
		if img.Kernel().Statx(cwd, "/sys/module/"+name, 0, unix.STATX_TYPE, &st) == nil {
			return nil
		}
	}
	u, err := s.Utsname(ctx)
	if err != nil {
		return err
	}
	return errorf("modprobe: FATAL: Module %s not found in directory /lib/modules/%s", a.Modulename, u.UtsRelease)
}
