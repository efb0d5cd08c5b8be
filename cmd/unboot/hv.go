package main

import (
	"os"

	"github.com/unboot/unboot/guestfs/hv"
)

var hvCommand = command{
	name:     "hv",
	short:    "what libguestfs starts instead of qemu",
	synopsis: []string{"OPTION..."},
	long: `Is what libguestfs starts instead of qemu, with qemu's options: it serves the disks to
programs that use libguestfs (guestfish, the virt tools, the bindings of all languages).
LIBGUESTFS_HV must name a program without arguments: that is unboot under the name
unboot-hv, which "unboot env" and "unboot run" arrange.

If the variable UNBOOT_HV_FALLBACK is set, it runs qemu instead: the one that the
variable names, or the one in PATH.

virt-rescue gets a shell of the host, which sees the disks in /dev, what -m and -i mount in
/sysroot, and of the host its programs: see "unboot help tool".

Programs of a guest have a network if the library wants one (guestfs_set_network), as
virt-customize does without --no-network: the public internet, and what the variable
UNBOOT_NETWORK_ALLOW says, such as "private,host:3128", as --network-allow of "unboot exec".

A damaged disk can keep its driver busy forever. Where nothing is written to the disks, each
call of a program may take two minutes of processor time, and half a second more for each MiB
of them; so may an inspection of any disks. The variable UNBOOT_CPU_LIMIT says another time,
such as 10m, or 0 for no limit.
`,
	args:    []kind{kindNone},
	options: noOptions(runHV),
}

// hvArgs returns the arguments of a virtual machine, if the program was started as one.
// This is checked before anything else: libguestfs starts a program several times, to ask
// for its version and features, before it needs the machine. These options do not follow
// the rules of a flagSet, so the table of commands has only the documentation of "hv".
func hvArgs(args []string) ([]string, bool) {
	switch {
	case hv.Invoked(args[0]):
		return args[1:], true
	case len(args) > 2 && args[1] == "hv" && !(len(args) == 3 && (args[2] == "-h" || args[2] == "--help")):
		return args[2:], true
	}
	return nil, false
}

func runHV(*app, []string) error {
	return badUsage("libguestfs starts this with the options of a virtual machine")
}

// hvEnv returns the variables that make libguestfs use this very program, wherever it is
// installed.
func hvEnv() ([]string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	e, err := hv.FindEnv(program)
	if err != nil {
		return nil, err
	}
	return e.Variables(), nil
}
