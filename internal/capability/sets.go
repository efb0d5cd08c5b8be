package capability

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

const (
	revisionMask = 0xff000000
	revision2    = 0x02000000
	revision3    = 0x03000000 // with the user that is root of a name space
	effective    = 0x000001
	size2        = 20
	size3        = 24
)

// names are the capabilities by their numbers, of capabilities(7).
var names = []string{
	"cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill",
	"cap_setgid", "cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast",
	"cap_net_admin", "cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio",
	"cap_sys_chroot", "cap_sys_ptrace", "cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice",
	"cap_sys_resource", "cap_sys_time", "cap_sys_tty_config", "cap_mknod", "cap_lease", "cap_audit_write",
	"cap_audit_control", "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog", "cap_wake_alarm",
	"cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore",
}

// Sets are the effective, the inheritable and the permitted capabilities of a file, a bit
// each.
type Sets [3]uint64

// letters are the letters of the sets.
const letters = "eip"

// Decode parses the value of the extended attribute. The error of what is not one is
// unix.EINVAL. The user that revision 3 has, who is root of a name space, is left out.
func Decode(b []byte) (c Sets, err error) {
	if len(b) < size2 {
		return c, unix.EINVAL
	}
	magic := binary.LittleEndian.Uint32(b)
	switch {
	case magic&revisionMask == revision2 && len(b) == size2, magic&revisionMask == revision3 && len(b) == size3:
	default:
		return c, unix.EINVAL
	}
	word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(b[4+4*i:])) }
	c[2] = word(0) | word(2)<<32
	c[1] = word(1) | word(3)<<32
	if magic&effective != 0 {
		c[0] = c[1] | c[2]
	}
	return c, nil
}

// Encode returns the value of the extended attribute. It reports false for an effective set
// that a file cannot have: a file has a single bit for all of them.
func (c *Sets) Encode() ([]byte, bool) {
	magic := uint32(revision2)
	switch c[0] {
	case 0:
	case c[1] | c[2]:
		magic |= effective
	default:
		return nil, false
	}
	b := binary.LittleEndian.AppendUint32(nil, magic)
	for _, w := range []uint64{c[2], c[1], c[2] >> 32, c[1] >> 32} {
		b = binary.LittleEndian.AppendUint32(b, uint32(w))
	}
	return b, true
}
