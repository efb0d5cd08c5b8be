package guestfs

import (
	"slices"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

func (g *Guestfs) stat(path string) (*Stat, error) {
	s, err := query(g, rpc.ProcStatns, &rpc.StatnsArgs{Path: path}, codeStatNS)
	return s.stat(), err
}

func (g *Guestfs) lstat(path string) (*Stat, error) {
	s, err := query(g, rpc.ProcLstatns, &rpc.LstatnsArgs{Path: path}, codeStatNS)
	return s.stat(), err
}

// stat returns what there is room for in the older structure.
func (s *StatNS) stat() *Stat {
	return &Stat{
		Dev: s.St_dev, Ino: s.St_ino, Mode: s.St_mode, Nlink: s.St_nlink, Uid: s.St_uid, Gid: s.St_gid, Rdev: s.St_rdev,
		Size: s.St_size, Blksize: s.St_blksize, Blocks: s.St_blocks,
		Atime: s.St_atime_sec, Mtime: s.St_mtime_sec, Ctime: s.St_ctime_sec,
	}
}

// The functions that follow take any number of names; as many go into one call as its
// answer has surely room for.
const (
	statsPerCall  = 1000
	linksPerCall  = 500
	xattrsPerCall = 50
)

func (g *Guestfs) lstatnslist(path string, names []string) (*[]StatNS, error) {
	return inParts(names, statsPerCall, func(part []string) (*[]StatNS, error) {
		return query(g, rpc.ProcInternalLstatnslist, &rpc.InternalLstatnslistArgs{Path: path, Names: part}, list(statNSSize, codeStatNS))
	})
}

// statNSSize is what a StatNS takes in a message.
const statNSSize = 22 * 8

func (g *Guestfs) lstatlist(path string, names []string) (*[]Stat, error) {
	l, err := g.lstatnslist(path, names)
	if err != nil {
		return nil, err
	}
	r := make([]Stat, 0, len(*l))
	for i := range *l {
		r = append(r, *(*l)[i].stat())
	}
	return &r, nil
}

// lxattrlist returns the extended attributes of files: for each one whose value is their
// number, and then them.
func (g *Guestfs) lxattrlist(path string, names []string) (*[]XAttr, error) {
	return inParts(names, xattrsPerCall, func(part []string) (*[]XAttr, error) {
		return query(g, rpc.ProcInternalLxattrlist, &rpc.InternalLxattrlistArgs{Path: path, Names: part}, list(8, codeXAttr))
	})
}

func (g *Guestfs) readlinklist(path string, names []string) ([]string, error) {
	l, err := inParts(names, linksPerCall, func(part []string) (*[]string, error) {
		l, err := query(g, rpc.ProcInternalReadlinklist, &rpc.InternalReadlinklistArgs{Path: path, Names: part}, decodeStrings)
		return &l, err
	})
	if err != nil {
		return nil, err
	}
	return *l, nil
}

// inParts calls f with parts of names and returns what it has returned, one after the
// other.
func inParts[T any](names []string, n int, f func([]string) (*[]T, error)) (*[]T, error) {
	all := []T{}
	for part := range slices.Chunk(names, n) {
		l, err := f(part)
		if err != nil {
			return nil, err
		}
		all = append(all, *l...)
	}
	return &all, nil
}
