package server

import (
	"context"
	"errors"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"golang.org/x/sys/unix"
)

// call is a call on its way to its method. The first error sticks.
type call struct {
	*protocol.Call
	s     *Server
	impl  any // what has the methods
	name  string
	group string
	err   error
}

// missing returns the error of a procedure without a method.
func (c *call) missing() error {
	e := &protocol.Error{Name: "ENOTSUP"}
	if c.group != "" {
		e.Message = "feature '" + c.group + "' is not available in unboot; AVAILABILITY in guestfs(3) says how to ask for features"
	} else {
		e.Message = "not available in unboot"
	}
	if guestPrograms[c.name] && c.s != nil {
		c.s.tellNoPrograms(c.name)
	}
	return e
}

// guestPrograms are the procedures that run programs of the guest.
var guestPrograms = map[string]bool{
	"command": true, "command_lines": true, "command_out": true, "sh": true, "sh_lines": true, "sh_out": true,
}

// tellNoPrograms says once what virt-customize keeps to itself: of an error of these
// procedures it says that the command exited with an error.
func (s *Server) tellNoPrograms(name string) {
	if s.config.Tell != nil && !s.told {
		s.config.Tell(name + ": to run programs of the guest is not available in unboot" +
			" (with UNBOOT_HV_FALLBACK=1, libguestfs's own appliance runs in its place)")
	}
	s.told = true
}

// errProbe is the error of a call that would have got to its method.
var errProbe = errors.New("probe")

// answers reports whether impl has a method for a procedure.
func answers(impl any, proc uint32) bool {
	return proc < uint32(len(table)) && table[proc] != nil &&
		table[proc](context.Background(), &call{impl: impl, err: errProbe}) == errProbe
}

// begin decodes the arguments, if there is a method for them.
func (c *call) begin(ok bool, a rpc.Args) {
	switch {
	case !ok:
		c.err = c.missing()
	case c.err == nil:
		c.err = rpc.Decode(a, c.Args, c.OptArgs)
	}
}

// fail sets an error as the daemon words those of arguments.
func (c *call) fail(err error, text string) {
	switch {
	case c.err != nil:
	case err != nil:
		c.err = perror(err, "%s_stub: %s", c.name, text)
	default:
		c.err = errorf("%s_stub: %s", c.name, text)
	}
}

func (c *call) needRoot() {
	if c.err == nil && !c.s.mounted() {
		c.fail(nil, "you must call 'mount' first to mount the root filesystem")
	}
}

func (c *call) path(v *string) {
	if c.err != nil {
		return
	}
	if !strings.HasPrefix(*v, "/") {
		c.fail(nil, "path must start with a / character")
	}
	c.needRoot()
}

func (c *call) device(v *string) {
	if c.err != nil {
		return
	}
	name, err := c.s.resolveDevice(*v)
	switch {
	case errors.Is(err, unix.ENOTBLK):
		c.fail(nil, *v+": expecting a device name")
	case err != nil:
		c.fail(err, *v)
	default:
		*v = name
	}
}

// volumePrefix begins a mountable that is a subvolume of btrfs, "btrfsvol:/dev/sda1/vol".
const volumePrefix = "btrfsvol:"

func (c *call) mountable(v *string) {
	rest, volume := strings.CutPrefix(*v, volumePrefix)
	if !volume {
		c.device(v)
		return
	}
	if c.err != nil {
		return
	}
	device, path, ok := c.s.splitVolume(rest)
	if !ok {
		c.fail(nil, *v+": expecting a btrfs volume")
		return
	}
	*v = volumePrefix + device + path
}

func (c *call) devPath(v *string) {
	if c.err != nil {
		return
	}
	if name, err := c.s.resolveDevice(*v); err == nil {
		*v = name
		return
	}
	if c.needRoot(); c.err == nil {
		c.path(v)
	}
}

func (c *call) mntPath(v *string) {
	if strings.HasPrefix(*v, volumePrefix) {
		c.mountable(v)
		return
	}
	c.devPath(v)
}

func (c *call) devices(v *[]string) {
	for i := range *v {
		c.device(&(*v)[i])
	}
}

func (c *call) paths(v *[]string) {
	for i := range *v {
		c.path(&(*v)[i])
	}
}
