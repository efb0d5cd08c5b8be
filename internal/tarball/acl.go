package tarball

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// Access control lists: the extended attribute's form is that of the kernel
// (linux/posix_acl_xattr.h), the archive's is the short text form of acl(5)
// with numbers.

const (
	aclVersion = 2

	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20

	aclNoID = 0xffffffff
)

// aclTag is a kind of entry; named ones are about one user or group.
type aclTag struct {
	tag   uint16
	name  string
	named bool
}

var aclTags = [...]aclTag{
	{aclUserObj, "user", false},
	{aclUser, "user", true},
	{aclGroupObj, "group", false},
	{aclGroup, "group", true},
	{aclMask, "mask", false},
	{aclOther, "other", false},
}

// aclText turns an attribute's value into text, as "user::rwx,user:1000:r--".
func aclText(value string) (string, bool) {
	if len(value) < 4 || (len(value)-4)%8 != 0 || binary.LittleEndian.Uint32([]byte(value[:4])) != aclVersion {
		return "", false
	}
	var b []byte
	for i := 4; i < len(value); i += 8 {
		e := []byte(value[i : i+8])
		tag, perm := binary.LittleEndian.Uint16(e), binary.LittleEndian.Uint16(e[2:])
		id := binary.LittleEndian.Uint32(e[4:])
		k := slices.IndexFunc(aclTags[:], func(t aclTag) bool { return t.tag == tag })
		if k < 0 || perm > 7 {
			return "", false
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(b, aclTags[k].name...)
		b = append(b, ':')
		if aclTags[k].named {
			b = strconv.AppendUint(b, uint64(id), 10)
		}
		b = append(b, ':', aclBit(perm, 4, 'r'), aclBit(perm, 2, 'w'), aclBit(perm, 1, 'x'))
	}
	return string(b), true
}

func aclBit(perm, bit uint16, c byte) byte {
	if perm&bit != 0 {
		return c
	}
	return '-'
}

// aclValue turns text into an attribute's value. The text may have names: of
// those an archive gives the number in a fourth field (as star and bsdtar write
// them) or not at all, and then the list cannot be had.
func aclValue(text string) (string, bool) {
	type entry struct {
		order, perm uint16
		tag         uint16
		id          uint32
	}
	var list []entry
	for field := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		field, _, _ = strings.Cut(field, "#")
		field = strings.TrimSpace(field)
		if field == "" {
			continue
		}
		if len(list) == 4096 {
			return "", false
		}
		parts := strings.Split(strings.TrimPrefix(field, "default:"), ":")
		if len(parts) == 2 && (strings.HasPrefix(parts[0], "m") || strings.HasPrefix(parts[0], "o")) {
			parts = []string{parts[0], "", parts[1]} // "mask:r--", as Solaris has it
		}
		if len(parts) < 3 || parts[0] == "" {
			return "", false
		}
		e := entry{id: aclNoID}
		found := false
		for i, t := range aclTags {
			if (parts[0] == t.name || parts[0] == t.name[:1]) && t.named == (parts[1] != "") {
				e.tag, e.order, found = t.tag, uint16(i), true
			}
		}
		if !found {
			return "", false
		}
		if parts[1] != "" {
			id, err := strconv.ParseUint(parts[1], 10, 32)
			if err != nil && len(parts) > 3 {
				id, err = strconv.ParseUint(parts[3], 10, 32)
			}
			if err != nil {
				return "", false
			}
			e.id = uint32(id)
		}
		perm, _, _ := strings.Cut(parts[2], "\t")
		for _, c := range []byte(perm) {
			switch c {
			case 'r':
				e.perm |= 4
			case 'w':
				e.perm |= 2
			case 'x':
				e.perm |= 1
			case '-', ' ':
			default:
				return "", false
			}
		}
		list = append(list, e)
	}
	if len(list) == 0 {
		return "", false
	}
	// The kernel wants them by tag, then by number.
	slices.SortStableFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.id, b.id))
	})
	b := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range list {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return string(b), true
}
