package acl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// A Tag is the kind of an entry: ACL_USER_OBJ and so on of linux/posix_acl.h.
type Tag uint16

// The tags, in the order in which the kernel wants the entries of a list.
const (
	UserObj  Tag = 0x01
	User     Tag = 0x02
	GroupObj Tag = 0x04
	Group    Tag = 0x08
	Mask     Tag = 0x10
	Other    Tag = 0x20
)

// NoID is the number in entries that are not about a named user or group.
const NoID = 0xffffffff

// An Entry gives permissions (4 read, 2 write, 1 execute) to a user, a group or a class.
type Entry struct {
	Tag  Tag
	Perm uint16
	ID   uint32 // of the user or the group; NoID for other tags
}

// A List is an access control list.
type List []Entry

const (
	version    = 2
	entrySize  = 8
	maxEntries = 8000 // about as many as XATTR_SIZE_MAX has room for
)

// tags are the names of the tags; named ones are about one user or group.
var tags = [...]struct {
	tag   Tag
	name  string
	named bool
}{
	{UserObj, "user", false}, {User, "user", true}, {GroupObj, "group", false},
	{Group, "group", true}, {Mask, "mask", false}, {Other, "other", false},
}

// FromMode returns the list that says what the permissions of st_mode say.
func FromMode(mode uint16) List {
	return List{{UserObj, mode >> 6 & 7, NoID}, {GroupObj, mode >> 3 & 7, NoID}, {Other, mode & 7, NoID}}
}

// Decode parses the value of an extended attribute. The error of what is not a list is
// unix.EINVAL.
func Decode(b []byte) (List, error) {
	le := binary.LittleEndian
	if len(b) < 4 || len(b)%entrySize != 4 || len(b)/entrySize > maxEntries || le.Uint32(b) != version {
		return nil, unix.EINVAL
	}
	var list List
	for b = b[4:]; len(b) > 0; b = b[entrySize:] {
		e := Entry{Tag(le.Uint16(b)), le.Uint16(b[2:]), le.Uint32(b[4:])}
		if e.name() == "" || e.Perm > 7 {
			return nil, unix.EINVAL
		}
		list = append(list, e)
	}
	return list, nil
}

// Encode returns the value of the extended attribute.
func (l List) Encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range l {
		b = binary.LittleEndian.AppendUint16(b, uint16(e.Tag))
		b = binary.LittleEndian.AppendUint16(b, e.Perm)
		b = binary.LittleEndian.AppendUint32(b, e.ID)
	}
	return b
}

// name returns the name of an entry's tag, or "" for an unknown one.
func (e Entry) name() string {
	for _, t := range tags {
		if t.tag == e.Tag {
			return t.name
		}
	}
	return ""
}
