package hv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/appliance"
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

// errNoAppliance says what virt-rescue needs.
var errNoAppliance = errors.New("virt-rescue needs a virtual machine, and libguestfs's own appliance is not there yet: " +
	"run \"env -u LIBGUESTFS_HV -u LIBGUESTFS_PATH libguestfs-test-tool\" once, which makes it, or unset these variables")

// rescue runs qemu with the command line for a session of virt-rescue. The kernel in it
// is our empty file, so it is exchanged for that of the appliance which libguestfs has
// made before; that also needs a root disk.
func rescue(args []string) error {
	a, ok := findAppliance()
	if !ok {
		return errNoAppliance
	}
	return execQemu("", a.replace(args))
}

// realAppliance is what libguestfs boots.
type realAppliance struct {
	appliance.Files
	uuid string // of the root
}

// findAppliance looks where libguestfs keeps what supermin(1) has made.
func findAppliance() (realAppliance, bool) {
	var cache string
	for _, name := range []string{"LIBGUESTFS_CACHEDIR", "TMPDIR"} {
		if cache == "" {
			cache = os.Getenv(name)
		}
	}
	if cache == "" {
		cache = "/var/tmp"
	}
	_, files := appliance.Cached(cache)
	for _, name := range []string{files.Kernel, files.Initrd} {
		if fi, err := os.Stat(name); err != nil || fi.Size() == 0 {
			return realAppliance{}, false
		}
	}
	uuid, err := files.RootUUID()
	return realAppliance{files, uuid}, err == nil
}

// replace returns args with the kernel, and with the root disk as the last one.
func (a realAppliance) replace(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		out = append(out, args[i])
		if i+1 == len(args) {
			break
		}
		switch args[i] {
		case "-kernel":
			out = append(out, a.Kernel)
			i++
		case "-initrd":
			out = append(out, a.Initrd)
			i++
		case "-append":
			out = append(out, args[i+1]+" root=UUID="+a.uuid)
			i++
		}
	}
	return append(out, a.RootDrive()...)
}
