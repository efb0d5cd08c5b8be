package fusefs

import (
	"math"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// An IDRange says how IDs of users or groups in the image are shown on the host: Count of
// them from Image on as those from Host on.
type IDRange struct {
	Image, Host, Count uint32
}

// overflowID is shown for IDs that no range has, as the kernel does (overflowuid).
const overflowID = 65534

// owners says whose files are whose.
type owners struct {
	uid, gid   *uint32   // shown of all files
	uids, gids []IDRange // else by these; nil for as they are
}

func (o *owners) shownUID(id uint32) uint32 { return shown(id, o.uid, o.uids) }
func (o *owners) shownGID(id uint32) uint32 { return shown(id, o.gid, o.gids) }

func shown(id uint32, all *uint32, ranges []IDRange) uint32 {
	if all != nil {
		return *all
	}
	if ranges == nil {
		return id
	}
	for _, r := range ranges {
		if id >= r.Image && id-r.Image < r.Count {
			return r.Host + (id - r.Image)
		}
	}
	return overflowID
}

// stored is the reverse of shown. Where all files are shown as one owner's, those that are
// made are root's in the image.
func stored(id uint32, all *uint32, ranges []IDRange) (uint32, error) {
	if all != nil {
		return 0, nil
	}
	if ranges == nil {
		return id, nil
	}
	for _, r := range ranges {
		if id >= r.Host && id-r.Host < r.Count {
			return r.Image + (id - r.Host), nil
		}
	}
	return 0, unix.EOVERFLOW
}

// creator returns the owner of a file that somebody makes.
func (o *owners) creator(c *fuse.Caller) (uid, gid uint32, err error) {
	if uid, err = stored(c.Uid, o.uid, o.uids); err != nil {
		return 0, 0, err
	}
	gid, err = stored(c.Gid, o.gid, o.gids)
	return uid, gid, err
}

// storedBoth returns the owner that a request sets, as chown(2) wants it.
func (o *owners) storedBoth(in *fuse.SetAttrIn) (uid, gid int, err error) {
	uid, gid = -1, -1
	if id, ok := in.GetUID(); ok {
		if uid, err = set(id, o.uid, o.uids); err != nil {
			return 0, 0, err
		}
	}
	if id, ok := in.GetGID(); ok {
		gid, err = set(id, o.gid, o.gids)
	}
	return uid, gid, err
}

func set(id uint32, all *uint32, ranges []IDRange) (int, error) {
	switch {
	case all != nil && id == *all:
		return -1, nil // what it is shown as already
	case all != nil:
		return 0, unix.EPERM
	}
	id, err := stored(id, nil, ranges)
	return int(id), err
}

// valid reports whether ranges have no ID twice and no ID that is none.
func validRanges(ranges []IDRange) bool {
	for i, r := range ranges {
		if r.Count == 0 || uint64(r.Image)+uint64(r.Count) > math.MaxUint32 || uint64(r.Host)+uint64(r.Count) > math.MaxUint32 {
			return false
		}
		for _, q := range ranges[:i] {
			if overlap(r.Image, r.Count, q.Image, q.Count) || overlap(r.Host, r.Count, q.Host, q.Count) {
				return false
			}
		}
	}
	return true
}

func overlap(a, n, b, m uint32) bool {
	return uint64(a) < uint64(b)+uint64(m) && uint64(b) < uint64(a)+uint64(n)
}
