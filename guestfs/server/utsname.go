package server

import (
	"context"
	"runtime"
	"strings"

	"github.com/unboot/unboot/guestfs/rpc"
)

// machines has the names that uname(2) gives processors.
var machines = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// Utsname says which kernel answers: ours.
func (s *Server) Utsname(ctx context.Context) (*rpc.Utsname, error) {
	img, err := s.image()
	if err != nil {
		return nil, err
	}
	u := &rpc.Utsname{UtsSysname: "Linux", UtsMachine: machines[runtime.GOARCH]}
	if u.UtsMachine == "" {
		u.UtsMachine = runtime.GOARCH
	}
	for file, value := range map[string]*string{"osrelease": &u.UtsRelease, "version": &u.UtsVersion} {
		text, err := img.Kernel().ReadFile("/proc/sys/kernel/"+file, 1<<10)
		if err != nil {
			return nil, perror(err, "%s", file)
		}
		*value = strings.TrimSpace(string(text))
	}
	return u, nil
}
