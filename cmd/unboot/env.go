package main

import (
	"fmt"
	"strings"

	"github.com/unboot/unboot/guestfs/hv"
)

var envCommand = command{
	name:     "env",
	short:    `the same for a shell: eval "$(unboot env)"`,
	synopsis: []string{""},
	long: `Prints shell commands that make programs that use libguestfs use unboot:

  eval "$(unboot env)"
  guestfish --ro -a disk.img -i cat /etc/fstab

libguestfs needs a program without arguments and a directory with two files: they come
with the package, or are made in $XDG_RUNTIME_DIR or, without that, $TMPDIR or /tmp.

libguestfs closes all file descriptors that its process might have, one by one: it
starts faster after "ulimit -n 1024", which "unboot run" does for a command.

Where programs use a backend other than "direct", such as libvirt, LIBGUESTFS_BACKEND
selects it. To go back to qemu: unset LIBGUESTFS_HV LIBGUESTFS_PATH
`,
	args:    []kind{kindNone},
	options: noOptions(runEnv),
}

func runEnv(a *app, args []string) error {
	if len(args) > 0 {
		return badUsage("unexpected argument %s", quote(args[0]))
	}
	env, err := hvEnv()
	if err != nil {
		return err
	}
	for _, v := range env {
		// Quoted for the shell: the path of the program may have blanks in it.
		name, value, _ := strings.Cut(v, "=")
		if _, err := fmt.Fprintf(a.out, "export %s=%s\n", name, hv.Quote(value)); err != nil {
			return err
		}
	}
	return nil
}
