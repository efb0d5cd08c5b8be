package hv

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/appliance"
	"github.com/unboot/unboot/guestfs/internal/server"
)

// VM is what the command line of a virtual machine says, as far as it concerns us.
type VM struct {
	Drives  []server.Drive // in the order of their names
	Socket  string         // host path of the library's socket
	Verbose bool           // LIBGUESTFS_DEBUG
	Network bool           // the program wants the network
	Rescue  bool           // virt-rescue: a shell on the console
	Term    string         // TERM of the console, or ""
	Append  []string       // words of the kernel's command line
	SMP     int            // processors; 0 if it does not say
}

// channel is the name of the port through which library and daemon talk.
const channel = "channel0"

// Parse reads the options of qemu that libguestfs 1.40 and later pass. Those that do not
// concern us are left out.
func Parse(args []string) (*VM, error) {
	vm := &VM{}
	var drives []*drive
	for i := 0; i < len(args); i++ {
		value := ""
		if i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			value = args[i+1]
		}
		switch strings.TrimPrefix(strings.TrimPrefix(args[i], "-"), "-") {
		case "drive":
			d, err := parseDrive(value)
			if err != nil {
				return nil, err
			}
			if d.id != appliance.Disk { // it has the daemon's operating system, which we are
				drives = append(drives, d)
			}
		case "device":
			if err := attachDevice(drives, value); err != nil {
				return nil, err
			}
		case "chardev":
			kind, o := parseOptions(value)
			if kind == "socket" && o["id"] == channel {
				vm.Socket = o["path"]
			}
		case "append":
			vm.Append = strings.Fields(value)
		case "smp":
			n, _, _ := strings.Cut(value, ",")
			vm.SMP, _ = strconv.Atoi(strings.TrimPrefix(n, "cpus="))
		}
	}
	for _, d := range drives {
		vm.Drives = append(vm.Drives, d.Drive)
	}
	for _, word := range vm.Append {
		if term, ok := strings.CutPrefix(word, "TERM="); ok {
			vm.Term = term
		}
		switch word {
		case "guestfs_verbose=1":
			vm.Verbose = true
		case "guestfs_network=1":
			vm.Network = true
		case "guestfs_rescue=1":
			vm.Rescue = true
		}
	}
	if vm.Socket == "" {
		return nil, errors.New("no socket of libguestfs on the command line: libguestfs starts this program (see \"unboot help env\")")
	}
	return vm, nil
}

// parseOptions reads "FIRST,KEY=VALUE,…", in which a comma of a value is doubled. FIRST
// is "" if it is a KEY=VALUE too; a key without a value has "on".
func parseOptions(s string) (first string, options map[string]string) {
	options = map[string]string{}
	for i, word := range splitCommas(s) {
		key, value, ok := strings.Cut(word, "=")
		switch {
		case ok:
			options[key] = value
		case i == 0:
			first = word
		default:
			options[key] = "on"
		}
	}
	return first, options
}

// splitCommas splits at single commas and makes double ones single.
func splitCommas(s string) []string {
	var words []string
	var word strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == ',' {
			if i+1 == len(s) || s[i+1] != ',' {
				words = append(words, word.String())
				word.Reset()
				continue
			}
			i++
		}
		word.WriteByte(s[i])
	}
	return append(words, word.String())
}

// attachDevice notes what a -device says of one of the drives.
func attachDevice(drives []*drive, value string) error {
	_, o := parseOptions(value)
	for _, d := range drives {
		if d.id == "" || o["drive"] != d.id {
			continue
		}
		d.Label = o["serial"]
		for key, size := range map[string]*int{"logical_block_size": &d.LogicalBlock, "physical_block_size": &d.PhysicalBlock} {
			if o[key] == "" {
				continue
			}
			n, err := strconv.Atoi(o[key])
			if err != nil || n <= 0 {
				return fmt.Errorf("-device %s: %s is not a size", value, key)
			}
			*size = n
		}
	}
	return nil
}
