package server

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/acl"
)

func aclAttr(typ string) (string, error) {
	switch typ {
	case "access":
		return acl.Access, nil
	case "default":
		return acl.Default, nil
	}
	return "", errorf("invalid acltype parameter: %s", typ)
}

// AclGetFile returns an access control list in the long form of acl(5), with numbers
// for users and groups. A file that has none has one that says what its mode does.
func (s *Server) AclGetFile(ctx context.Context, a *rpc.AclGetFileArgs) (string, error) {
	attr, err := aclAttr(a.Acltype)
	if err != nil {
		return "", err
	}
	st, err := s.stat(a.Path)
	if err == nil && attr == acl.Default && fileType(&st) != unix.S_IFDIR {
		err = unix.EACCES
	}
	if err != nil {
		return "", perror(err, "%s", a.Path)
	}
	value, err := getXattr(s.view().Getxattr, a.Path, attr)
	if err == unix.ENODATA {
		if attr == acl.Default {
			return "", nil
		}
		return acl.FromMode(st.Mode).String(), nil
	}
	var list acl.List
	if err == nil {
		list, err = acl.Decode(value)
	}
	if err != nil {
		return "", perror(err, "%s", a.Path)
	}
	return list.String(), nil
}

// AclSetFile sets an access control list from one of the text forms of acl(5). Users
// and groups are numbers, but for root.
func (s *Server) AclSetFile(ctx context.Context, a *rpc.AclSetFileArgs) error {
	attr, err := aclAttr(a.Acltype)
	if err != nil {
		return err
	}
	list, err := acl.Parse(a.Acl)
	if err != nil {
		return perror(unix.EINVAL, "could not parse acl string: %s: acl_from_text", a.Acl)
	}
	if err := s.view().Setxattr(a.Path, attr, list.Encode(), 0); err != nil {
		return perror(err, "%s", a.Path)
	}
	return nil
}

// AclDeleteDefFile removes the default access control list of a directory.
func (s *Server) AclDeleteDefFile(ctx context.Context, a *rpc.AclDeleteDefFileArgs) error {
	err := s.view().Removexattr(a.Dir, acl.Default)
	if err != nil && err != unix.ENODATA {
		return perror(err, "%s", a.Dir)
	}
	return nil
}
