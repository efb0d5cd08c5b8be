package server

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// The attributes that hold access control lists, in the form of the kernel's
// linux/posix_acl_xattr.h: a version, then entries of tag, permissions and number.
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"

	aclVersion = 2
	aclNobody  = 0xffffffff // the number in entries that have none
	maxACL     = 8000       // entries that fit an attribute
)

type aclEntry struct {
	tag  uint16
	perm uint16
	id   uint32
}

// aclTags are the kinds of entries in the order in which a list has them.
var aclTags = []struct {
	tag   uint16
	name  string
	named bool // is about one user or group
}{
	{0x01, "user", false}, {0x02, "user", true}, {0x04, "group", false},
	{0x08, "group", true}, {0x10, "mask", false}, {0x20, "other", false},
}

func aclAttr(typ string) (string, error) {
	switch typ {
	case "access":
		return aclAccess, nil
	case "default":
		return aclDefault, nil
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
	if err == nil && attr == aclDefault && fileType(&st) != unix.S_IFDIR {
		err = unix.EACCES
	}
	if err != nil {
		return "", perror(err, "%s", a.Path)
	}
	value, err := getXattr(s.view().Getxattr, a.Path, attr)
	if err == unix.ENODATA {
		if attr == aclDefault {
			return "", nil
		}
		return formatACL([]aclEntry{
			{0x01, st.Mode >> 6 & 7, aclNobody}, {0x04, st.Mode >> 3 & 7, aclNobody}, {0x20, st.Mode & 7, aclNobody},
		}), nil
	}
	var list []aclEntry
	if err == nil {
		list, err = decodeACL(value)
	}
	if err != nil {
		return "", perror(err, "%s", a.Path)
	}
	return formatACL(list), nil
}

// AclSetFile sets an access control list from one of the text forms of acl(5). Users
// and groups are numbers, but for root.
func (s *Server) AclSetFile(ctx context.Context, a *rpc.AclSetFileArgs) error {
	attr, err := aclAttr(a.Acltype)
	if err != nil {
		return err
	}
	list, ok := parseACL(a.Acl)
	if !ok {
		return perror(unix.EINVAL, "could not parse acl string: %s: acl_from_text", a.Acl)
	}
	if err := s.view().Setxattr(a.Path, attr, encodeACL(list), 0); err != nil {
		return perror(err, "%s", a.Path)
	}
	return nil
}

// AclDeleteDefFile removes the default access control list of a directory.
func (s *Server) AclDeleteDefFile(ctx context.Context, a *rpc.AclDeleteDefFileArgs) error {
	err := s.view().Removexattr(a.Dir, aclDefault)
	if err != nil && err != unix.ENODATA {
		return perror(err, "%s", a.Dir)
	}
	return nil
}

func decodeACL(b []byte) ([]aclEntry, error) {
	if len(b) < 4 || len(b)%8 != 4 || binary.LittleEndian.Uint32(b) != aclVersion {
		return nil, unix.EINVAL
	}
	var list []aclEntry
	for b = b[4:]; len(b) > 0; b = b[8:] {
		list = append(list, aclEntry{
			binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:]),
		})
	}
	return list, nil
}

func encodeACL(list []aclEntry) []byte {
	b := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range list {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

func formatACL(list []aclEntry) string {
	var b strings.Builder
	for _, e := range list {
		for _, t := range aclTags {
			if t.tag != e.tag {
				continue
			}
			b.WriteString(t.name + ":")
			if t.named {
				b.WriteString(strconv.FormatUint(uint64(e.id), 10))
			}
			b.WriteString(":")
		}
		for i, c := range "rwx" {
			if e.perm&(4>>i) == 0 {
				c = '-'
			}
			b.WriteRune(c)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// parseACL reads entries that commas or ends of lines separate. "#" begins a comment.
func parseACL(text string) ([]aclEntry, bool) {
	var list []aclEntry
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		for item := range strings.SplitSeq(line, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			e, ok := parseACLEntry(item)
			if !ok || len(list) == maxACL {
				return nil, false
			}
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b aclEntry) int {
		return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.id, b.id))
	})
	return list, true
}

func parseACLEntry(item string) (e aclEntry, ok bool) {
	f := strings.Split(item, ":")
	// "other:r--" and "mask:r--" may leave out the empty field.
	if len(f) == 2 && (strings.HasPrefix("other", f[0]) || strings.HasPrefix("mask", f[0])) {
		f = []string{f[0], "", f[1]}
	}
	if len(f) != 3 || f[0] == "" {
		return e, false
	}
	e.id = aclNobody
	who := strings.TrimSpace(f[1])
	for _, t := range aclTags {
		if strings.HasPrefix(t.name, f[0]) && t.named == (who != "") {
			e.tag = t.tag
			break
		}
	}
	switch {
	case e.tag == 0:
		return e, false
	case who == "root":
		e.id = 0
	case who != "":
		n, err := strconv.ParseUint(who, 10, 32)
		if err != nil || n == aclNobody {
			return e, false
		}
		e.id = uint32(n)
	}
	for _, c := range strings.TrimSpace(f[2]) {
		switch c {
		case 'r':
			e.perm |= 4
		case 'w':
			e.perm |= 2
		case 'x':
			e.perm |= 1
		case '-':
		default:
			return e, false
		}
	}
	return e, true
}
