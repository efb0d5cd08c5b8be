package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// NtfsChmod gives a file of an NTFS, or all below a directory, an access control list that
// means a mode. Owner and group stay as they are. If they are one, as those of new files are,
// the group's bits mean nothing: it has what the owner has.
func (s *Server) NtfsChmod(ctx context.Context, a *rpc.NtfsChmodArgs) error {
	if a.Mode < 0 || a.Mode > 0o7777 {
		return errorf("%o: not a mode", a.Mode)
	}
	if err := s.ntfsChmod(a.Path, uint32(a.Mode)); err != nil || !a.Recursive.Or(false) {
		return err
	}
	real, err := s.realpath(a.Path)
	if err != nil {
		return perror(err, "%s", a.Path)
	}
	if st, err := s.stat(real); err != nil || fileType(&st) != unix.S_IFDIR {
		return nil
	}
	options := &unboot.WalkOptions{OneFileSystem: true, Mask: unix.STATX_TYPE}
	for e, err := range s.tree().Walk(unboot.CleanPath(real), options) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if t := fileType(&e.Stat); t != unix.S_IFDIR && t != unix.S_IFREG {
			continue
		}
		if err := s.ntfsChmod(guestPath(e.Path()), uint32(a.Mode)); err != nil {
			return err
		}
	}
	return nil
}

// ntfsSecurity is the attribute by which the driver has a file's security descriptor.
const ntfsSecurity = "system.ntfs_security"

// maxSecurity bounds a descriptor, in bytes, as Windows does.
const maxSecurity = 64 << 10

func (s *Server) ntfsChmod(name string, mode uint32) error {
	old := make([]byte, maxSecurity)
	n, err := s.view().Getxattr(name, ntfsSecurity, old)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return errorf("%s: not on an NTFS", name)
	}
	if err != nil && !errors.Is(err, unix.ENODATA) {
		return perror(err, "%s", name)
	}
	st, err := s.stat(name)
	if err != nil {
		return perror(err, "%s", name)
	}
	owner, group := securityOwners(old[:max(n, 0)])
	sd := securityDescriptor(owner, group, mode, fileType(&st) == unix.S_IFDIR)
	if err := s.view().Setxattr(name, ntfsSecurity, sd, 0); err != nil {
		return perror(err, "%s", name)
	}
	return nil
}

// A sid is the identifier of a user or a group of Windows.
type sid []byte

// Identifiers that all have.
var (
	everyone       = sid{1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}
	localSystem    = sid{1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0}
	administrators = sid{1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0}
)

// readSID returns the identifier at an offset of a descriptor, or nil.
func readSID(sd []byte, at uint32) sid {
	if at == 0 || uint64(at)+8 > uint64(len(sd)) {
		return nil
	}
	s := sd[at:]
	n := 8 + 4*int(s[1])
	if s[0] != 1 || s[1] > 15 || n > len(s) {
		return nil
	}
	return sid(s[:n:n])
}

// The head of a security descriptor: revision, control, and offsets of owner, group and lists.
const securityHead = 20

// securityOwners returns whose a file is: the administrators', if the descriptor does not say.
func securityOwners(sd []byte) (owner, group sid) {
	if len(sd) >= securityHead {
		owner = readSID(sd, binary.LittleEndian.Uint32(sd[4:]))
		group = readSID(sd, binary.LittleEndian.Uint32(sd[8:]))
	}
	if owner == nil {
		owner = administrators
	}
	if group == nil {
		group = administrators
	}
	return owner, group
}

// Rights of files, those of directories in brackets.
const (
	ntfsRead       = 0x1  // (list)
	ntfsWrite      = 0x2  // (add files)
	ntfsAppend     = 0x4  // (add directories)
	ntfsReadEA     = 0x8  // extended attributes
	ntfsWriteEA    = 0x10 //
	ntfsExecute    = 0x20 // (traverse)
	ntfsDelete     = 0x40 // (what is in it)
	ntfsReadAttrs  = 0x80
	ntfsWriteAttrs = 0x100

	ntfsWorld = 0x00120000 | ntfsReadEA | ntfsReadAttrs // to read the descriptor, and to wait
	ntfsOwner = 0x001f0000 | ntfsReadEA | ntfsWriteEA | ntfsReadAttrs | ntfsWriteAttrs
	ntfsAll   = 0x001f01ff
)

// ntfsRights returns the rights of three bits of a mode.
func ntfsRights(bits uint32, dir bool) (r uint32) {
	if bits&4 != 0 {
		r |= ntfsRead
	}
	if bits&2 != 0 {
		r |= ntfsWrite | ntfsAppend
		if dir {
			r |= ntfsDelete
		}
	}
	if bits&1 != 0 {
		r |= ntfsExecute
	}
	return r
}

// securityDescriptor returns a descriptor by which owner, group and all others have the rights
// of a mode. Windows adds up what it grants to all that a user is: what others have and the
// owner or the group has not is denied first.
func securityDescriptor(owner, group sid, mode uint32, dir bool) []byte {
	var acl bytes.Buffer
	entries := uint16(0)
	add := func(deny bool, who sid, rights uint32) {
		if rights == 0 {
			return
		}
		head := []byte{0, 0, 0, 0, 0, 0, 0, 0} // type, flags, size, rights
		if deny {
			head[0] = 1
		}
		if dir {
			head[1] = 3 // new files and directories inherit it
		}
		binary.LittleEndian.PutUint16(head[2:], uint16(8+len(who)))
		binary.LittleEndian.PutUint32(head[4:], rights)
		acl.Write(head)
		acl.Write(who)
		entries++
	}
	u, g, o := ntfsRights(mode>>6&7, dir), ntfsRights(mode>>3&7, dir), ntfsRights(mode&7, dir)
	add(true, owner, (g|o)&^u)
	add(false, owner, ntfsOwner|u)
	if !bytes.Equal(owner, group) {
		add(true, group, o&^g)
		add(false, group, ntfsWorld|g)
	}
	add(false, everyone, ntfsWorld|o)
	add(false, localSystem, ntfsAll)

	const aclHead = 8
	le := binary.LittleEndian
	b := []byte{1, 0}
	b = le.AppendUint16(b, 0x8000|0x1000|0x4) // self-relative, with a list that is not inherited
	list := uint32(securityHead)
	at := list + aclHead + uint32(acl.Len())
	b = le.AppendUint32(b, at)
	b = le.AppendUint32(b, at+uint32(len(owner)))
	b = le.AppendUint32(b, 0) // no audit
	b = le.AppendUint32(b, list)
	b = append(b, 2, 0)
	b = le.AppendUint16(b, uint16(aclHead+acl.Len()))
	b = le.AppendUint16(b, entries)
	b = append(b, 0, 0)
	b = append(b, acl.Bytes()...)
	return append(append(b, owner...), group...)
}
