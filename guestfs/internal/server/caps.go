package server

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// capAttr holds a file's capabilities: struct vfs_cap_data of linux/capability.h.
const capAttr = "security.capability"

const (
	capRevMask   = 0xff000000
	capRevision2 = 0x02000000
	capRevision3 = 0x03000000 // with the user that is root of a name space
	capEffective = 0x000001
	capSize2     = 20
	capSize3     = 24
)

// capNames are the capabilities by their numbers, of capabilities(7).
var capNames = []string{
	"cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill",
	"cap_setgid", "cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast",
	"cap_net_admin", "cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio",
	"cap_sys_chroot", "cap_sys_ptrace", "cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice",
	"cap_sys_resource", "cap_sys_time", "cap_sys_tty_config", "cap_mknod", "cap_lease", "cap_audit_write",
	"cap_audit_control", "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog", "cap_wake_alarm",
	"cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore",
}

// capSets are sets of capabilities, a bit each: effective, inheritable, permitted.
type capSets [3]uint64

// capFlags are the letters of the sets.
const capFlags = "eip"

// CapGetFile returns the capabilities of a file as cap_to_text(3), or "".
func (s *Server) CapGetFile(ctx context.Context, a *rpc.CapGetFileArgs) (string, error) {
	value, err := getXattr(s.view().Getxattr, a.Path, capAttr)
	if err == unix.ENODATA || err == unix.EOPNOTSUPP {
		return "", nil
	}
	var c capSets
	if err == nil {
		c, err = decodeCaps(value)
	}
	if err != nil {
		return "", perror(err, "%s", a.Path)
	}
	return c.String(), nil
}

// CapSetFile sets the capabilities of a file from the text form of cap_from_text(3).
func (s *Server) CapSetFile(ctx context.Context, a *rpc.CapSetFileArgs) error {
	c, ok := parseCaps(a.Cap)
	if !ok {
		return perror(unix.EINVAL, "could not parse cap string: %s: cap_from_text", a.Cap)
	}
	value, ok := c.encode()
	if !ok {
		return perror(unix.EINVAL, "%s", a.Path)
	}
	if err := s.view().Setxattr(a.Path, capAttr, value, 0); err != nil {
		return perror(err, "%s", a.Path)
	}
	return nil
}

func decodeCaps(b []byte) (c capSets, err error) {
	if len(b) < capSize2 {
		return c, unix.EINVAL
	}
	magic := binary.LittleEndian.Uint32(b)
	switch {
	case magic&capRevMask == capRevision2 && len(b) == capSize2, magic&capRevMask == capRevision3 && len(b) == capSize3:
	default:
		return c, unix.EINVAL
	}
	word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(b[4+4*i:])) }
	c[2] = word(0) | word(2)<<32
	c[1] = word(1) | word(3)<<32
	if magic&capEffective != 0 {
		c[0] = c[1] | c[2]
	}
	return c, nil
}

// encode fails for an effective set that the file system cannot hold: it is a single bit
// for all of them.
func (c *capSets) encode() ([]byte, bool) {
	magic := uint32(capRevision2)
	switch c[0] {
	case 0:
	case c[1] | c[2]:
		magic |= capEffective
	default:
		return nil, false
	}
	b := binary.LittleEndian.AppendUint32(nil, magic)
	for _, w := range []uint64{c[2], c[1], c[2] >> 32, c[1] >> 32} {
		b = binary.LittleEndian.AppendUint32(b, uint32(w))
	}
	return b, true
}

// flags returns the sets that a capability is in, a bit each.
func (c *capSets) flags(capability int) (flags int) {
	for i := range c {
		flags |= int(c[i]>>capability&1) << i
	}
	return flags
}

// String is as cap_to_text(3): what most capabilities have is said of all, then what
// others have in more or less, from those in all sets down.
func (c *capSets) String() string {
	var count [8]int
	for i := range capNames {
		count[c.flags(i)]++
	}
	base := 0
	for f := range count {
		if count[f] >= count[base] && f != base && (count[f] > count[base] || f == 0) {
			base = f
		}
	}
	var clauses []string
	if base != 0 {
		clauses = append(clauses, "="+flagNames(base))
	}
	for f := len(count) - 1; f >= 0; f-- {
		if f == base || count[f] == 0 {
			continue
		}
		var names []string
		for i, name := range capNames {
			if c.flags(i) == f {
				names = append(names, name)
			}
		}
		list := strings.Join(names, ",")
		switch {
		case base == 0:
			clauses = append(clauses, list+"="+flagNames(f))
		default:
			if add := f &^ base; add != 0 {
				list += "+" + flagNames(add)
			}
			if drop := base &^ f; drop != 0 {
				list += "-" + flagNames(drop)
			}
			clauses = append(clauses, list)
		}
	}
	if clauses == nil {
		return "="
	}
	return strings.Join(clauses, " ")
}

func flagNames(f int) string {
	s := ""
	for i := range len(capFlags) {
		if f>>i&1 != 0 {
			s += capFlags[i : i+1]
		}
	}
	return s
}

// parseCaps reads clauses like "cap_chown,cap_fowner+ep" and "all=eip".
func parseCaps(text string) (c capSets, ok bool) {
	clauses := strings.Fields(text)
	for _, clause := range clauses {
		at := strings.IndexAny(clause, "=+-")
		if at < 0 {
			return c, false
		}
		var who uint64
		for name := range strings.SplitSeq(strings.ToLower(clause[:at]), ",") {
			switch i := slices.Index(capNames, name); {
			case i >= 0:
				who |= 1 << i
			case name == "all", name == "" && clause[at] == '=' && at == 0:
				who |= 1<<len(capNames) - 1
			default:
				return c, false
			}
		}
		op := byte(0)
		for _, b := range []byte(clause[at:]) {
			i := strings.IndexByte(capFlags, b)
			switch {
			case b == '=' && op == 0:
				for i := range c {
					c[i] &^= who
				}
				op = '+'
			case b == '+' || b == '-':
				op = b
			case i < 0:
				return c, false
			case op == '+':
				c[i] |= who
			default:
				c[i] &^= who
			}
		}
	}
	return c, len(clauses) > 0
}
