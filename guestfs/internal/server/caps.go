package server

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/capability"
)

// CapGetFile returns the capabilities of a file as cap_to_text(3), or "".
func (s *Server) CapGetFile(ctx context.Context, a *rpc.CapGetFileArgs) (string, error) {
	value, err := getXattr(s.view().Getxattr, a.Path, capability.Xattr)
	if err == unix.ENODATA || err == unix.EOPNOTSUPP {
		return "", nil
	}
	var c capability.Sets
	if err == nil {
		c, err = capability.Decode(value)
	}
	if err != nil {
		return "", perror(err, "%s", a.Path)
	}
	return c.String(), nil
}

// CapSetFile sets the capabilities of a file from the text form of cap_from_text(3).
func (s *Server) CapSetFile(ctx context.Context, a *rpc.CapSetFileArgs) error {
	c, ok := capability.Parse(a.Cap)
	if !ok {
		return perror(unix.EINVAL, "could not parse cap string: %s: cap_from_text", a.Cap)
	}
	value, ok := c.Encode()
	if !ok {
		return perror(unix.EINVAL, "%s", a.Path)
	}
	if err := s.view().Setxattr(a.Path, capability.Xattr, value, 0); err != nil {
		return perror(err, "%s", a.Path)
	}
	return nil
}
