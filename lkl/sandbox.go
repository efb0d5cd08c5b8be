package lkl

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A Sandbox says how a kernel process is confined: what the SANDBOX_ bits of
// Flags say is in force.
type Sandbox struct {
	Flags uint32
	// Errno is why a part is missing, the last one if there are several; 0
	// if none was tried in vain.
	Errno unix.Errno
}

// Bits of Sandbox.Flags.
const (
	SANDBOX_SECCOMP      = 0x0001 // an allow list of system calls; never missing
	SANDBOX_NO_NEW_PRIVS = 0x0002 // prctl(2) PR_SET_NO_NEW_PRIVS
	SANDBOX_NO_DUMP      = 0x0004 // not dumpable, no ptrace
	SANDBOX_PDEATHSIG    = 0x0008 // dies with this program
	SANDBOX_CLOSED       = 0x0010 // no inherited descriptors
	SANDBOX_LANDLOCK     = 0x0020 // no path of the host can be opened
	SANDBOX_NEWUSER      = 0x0040 // own namespaces:
	SANDBOX_NEWNET       = 0x0080
	SANDBOX_NEWIPC       = 0x0100
	SANDBOX_NEWNS        = 0x0200
	SANDBOX_NEWUTS       = 0x0400
)

var sandboxNames = [...]string{
	"seccomp", "no-new-privs", "no-dump", "pdeathsig", "closed-fds", "landlock",
	"user-ns", "net-ns", "ipc-ns", "mount-ns", "uts-ns",
}

// Has reports whether all bits of flags are in force.
func (s Sandbox) Has(flags uint32) bool { return s.Flags&flags == flags }

// String names what is in force, and what is missing and why.
func (s Sandbox) String() string {
	var have, lack []string
	for i, name := range sandboxNames {
		if s.Flags&(1<<i) != 0 {
			have = append(have, name)
		} else {
			lack = append(lack, name)
		}
	}
	text := strings.Join(have, " ")
	if text == "" {
		text = "none"
	}
	if len(lack) > 0 {
		text += "; missing: " + strings.Join(lack, " ")
		if s.Errno != 0 {
			text += fmt.Sprintf(" (%s)", s.Errno.Error())
		}
	}
	return text
}
