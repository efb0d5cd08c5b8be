package hv

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// fallbackEnv names the variable that makes this program be qemu: the host path of one,
// or anything else for the one in PATH.
const fallbackEnv = "UNBOOT_HV_FALLBACK"

// qemus are the names of qemu, in the order in which they are looked for.
var qemus = []string{"qemu-system-x86_64", "qemu-kvm", "kvm", "/usr/libexec/qemu-kvm"}

// Fallback reports whether the environment asks for the real qemu.
func Fallback() bool { return os.Getenv(fallbackEnv) != "" }

// execQemu becomes qemu. It returns only with an error.
func execQemu(qemu string, args []string) error {
	path := ""
	if strings.Contains(qemu, "/") {
		path = qemu
	} else {
		for _, name := range qemus {
			if p, err := exec.LookPath(name); err == nil {
				path = p
				break
			}
		}
	}
	if path == "" {
		return fmt.Errorf("no qemu to run in unboot's place (looked for %s)", strings.Join(qemus, ", "))
	}
	// The name of this program stands where the library's message says qemu's.
	return fmt.Errorf("%s: %w", path, unix.Exec(path, append([]string{path}, args...), os.Environ()))
}
