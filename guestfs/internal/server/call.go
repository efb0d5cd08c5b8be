package server

import (
	"errors"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"golang.org/x/sys/unix"
)

// call is a call on its way to its method.
type call struct {
	*protocol.Call
	s     *Server
	name  string
	group string
}

// missing returns the error of a procedure without a method.
func (c *call) missing() error {
	e := &protocol.Error{Name: "ENOTSUP"}
	if c.group != "" {
		e.Message = "feature '" + c.group + "' is not available in unboot; AVAILABILITY in guestfs(3) says how to ask for features"
	} else {
		e.Message = "not available in unboot"
	}
	return e
}

// decode decodes the arguments, and checks what they name: a device gets the name that
// the server knows it by.
func (c *call) decode(a rpc.Args) error {
	if err := rpc.Decode(a, c.Args, c.OptArgs); err != nil {
		return err
	}
	for kind, name := range rpc.Names(a) {
		if err := c.check(kind, name); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) check(kind rpc.Kind, v *string) error {
	switch kind {
	case rpc.Device:
		return c.device(v)
	case rpc.Mountable:
		return c.mountable(v)
	case rpc.DevPath:
		return c.devPath(v)
	case rpc.MntPath:
		return c.mntPath(v)
	default: // rpc.Path
		return c.path(*v)
	}
}

// fail returns an error as the daemon words those of arguments.
func (c *call) fail(err error, text string) error {
	if err != nil {
		return perror(err, "%s_stub: %s", c.name, text)
	}
	return errorf("%s_stub: %s", c.name, text)
}

func (c *call) needRoot() error {
	if !c.s.mounted() {
		return c.fail(nil, "you must call 'mount' first to mount the root filesystem")
	}
	return nil
}

func (c *call) path(v string) error {
	if !strings.HasPrefix(v, "/") {
		return c.fail(nil, "path must start with a / character")
	}
	return c.needRoot()
}

func (c *call) device(v *string) error {
	name, err := c.s.resolveDevice(*v)
	switch {
	case errors.Is(err, unix.ENOTBLK):
		return c.fail(nil, *v+": expecting a device name")
	case err != nil:
		return c.fail(err, *v)
	}
	*v = name
	return nil
}

// volumePrefix begins a mountable that is a subvolume of btrfs, "btrfsvol:/dev/sda1/vol".
const volumePrefix = "btrfsvol:"

func (c *call) mountable(v *string) error {
	rest, volume := strings.CutPrefix(*v, volumePrefix)
	if !volume {
		return c.device(v)
	}
	device, path, ok := c.s.splitVolume(rest)
	if !ok {
		return c.fail(nil, *v+": expecting a btrfs volume")
	}
	*v = volumePrefix + device + path
	return nil
}

func (c *call) devPath(v *string) error {
	if name, err := c.s.resolveDevice(*v); err == nil {
		*v = name
		return nil
	}
	// The daemon complains about the missing root first, even if the path is wrong too.
	if err := c.needRoot(); err != nil {
		return err
	}
	return c.path(*v)
}

func (c *call) mntPath(v *string) error {
	if strings.HasPrefix(*v, volumePrefix) {
		return c.mountable(v)
	}
	return c.devPath(v)
}
