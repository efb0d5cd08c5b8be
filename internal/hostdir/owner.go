package hostdir

import "golang.org/x/sys/unix"

// Owners says how the owners of files are shown to the guest, and what it can make of them.
type Owners int

const (
	// AsHost shows users and groups by the numbers that they have on the host. If this program
	// is root the guest can give files to anybody, otherwise all that it makes belongs to the
	// user who runs this program.
	AsHost Owners = iota

	// AsRoot shows the user who runs this program, and his group, as root, and all others as
	// nobody. All that the guest makes belongs to that user.
	AsRoot
)

// nobody is the number of a user or group that has none in the guest, as user_namespaces(7)
// has it.
const nobody = 65534

// An identity is the user and the group that this program's calls are made as.
type identity struct{ uid, gid uint32 }

func (o Owners) user(of identity, uid uint32) uint32 {
	return o.number(of.uid, uid)
}

func (o Owners) group(of identity, gid uint32) uint32 {
	return o.number(of.gid, gid)
}

func (o Owners) number(own, id uint32) uint32 {
	switch {
	case o == AsHost:
		return id
	case id == own:
		return 0
	}
	return nobody
}

// toHost translates an owner that the guest gives a file, of which noUID stands for the one
// that it has.
func (o Owners) toHost(own, id uint32) (int, error) {
	switch {
	case id == noUID:
		return -1, nil
	case o == AsHost:
		return int(id), nil
	case id == 0:
		return int(own), nil
	}
	return -1, unix.EPERM
}

// give gives a file that was just made to those whom the guest has made it for, if this
// program can give files away at all. The file is that of a descriptor, which may be of O_PATH.
func (d *Dir) give(fd int, st *unix.Stat_t, uid, gid uint32) error {
	if d.o.Owners != AsHost || d.own.uid != 0 {
		return nil
	}
	if uid == noUID {
		uid = st.Uid
	}
	if gid == noUID {
		gid = st.Gid
	}
	if uid == st.Uid && gid == st.Gid {
		return nil
	}
	return again(func() error { return unix.Fchownat(fd, "", int(uid), int(gid), unix.AT_EMPTY_PATH) })
}
