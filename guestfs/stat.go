package guestfs

import (
	"slices"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

func (g *Guestfs) stat(path string) (*Stat, error) {
	var s StatNS
	err := g.call(rpc.ProcStatns, &rpc.StatnsArgs{Path: path}, func(c *xdr.Codec) { codeStatNS(c, &s) })
	return s.stat(), err
}

func (g *Guestfs) lstat(path string) (*Stat, error) {
	var s StatNS
	err := g.call(rpc.ProcLstatns, &rpc.LstatnsArgs{Path: path}, func(c *xdr.Codec) { codeStatNS(c, &s) })
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
	return inParts(names, statsPerCall, func(part []string) (l *[]StatNS, err error) {
		err = g.call(rpc.ProcInternalLstatnslist, &rpc.InternalLstatnslistArgs{Path: path, Names: part},
			func(c *xdr.Codec) { list(statNSSize, codeStatNS)(c, &l) })
		return l, err
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
	return inParts(names, xattrsPerCall, func(part []string) (l *[]XAttr, err error) {
		err = g.call(rpc.ProcInternalLxattrlist, &rpc.InternalLxattrlistArgs{Path: path, Names: part},
			func(c *xdr.Codec) { list(8, codeXAttr)(c, &l) })
		return l, err
	})
}

func (g *Guestfs) readlinklist(path string, names []string) ([]string, error) {
	l, err := inParts(names, linksPerCall, func(part []string) (*[]string, error) {
		var l []string
		err := g.call(rpc.ProcInternalReadlinklist, &rpc.InternalReadlinklistArgs{Path: path, Names: part},
			func(c *xdr.Codec) { decodeStrings(c, &l) })
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
