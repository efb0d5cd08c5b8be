package main

import (
	"fmt"
	"strings"

	"github.com/unboot/unboot/guestfs/hv"
)

const usageEnv = `usage: unboot env

Prints lines for a shell that make programs that use libguestfs use unboot:

  eval "$(unboot env)"
  guestfish --ro -a disk.img -i cat /etc/fstab

libguestfs wants a program without arguments and a directory with two files: they come
with the package, or are made in $XDG_RUNTIME_DIR or, without that, $TMPDIR or /tmp.

libguestfs closes all file descriptors that its process might have, one by one: it
starts faster after "ulimit -n 1024", which "unboot run" does for a command.

Where programs use another backend than "direct", as with libvirt, LIBGUESTFS_BACKEND
switches. To switch back to qemu: unset LIBGUESTFS_HV LIBGUESTFS_PATH
`

func runEnv(a *app, args []string) error {
	args, err := (&flagSet{}).parse(args)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		return badUsage("%s is too much", quote(args[0]))
	}
	env, err := hvEnv()
	if err != nil {
		return err
	}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		if _, err := fmt.Fprintf(a.out, "export %s=%s\n", name, hv.Quote(value)); err != nil {
			return err
		}
	}
	return nil
}
