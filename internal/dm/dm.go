// Package dm loads the plans of volumes into the kernel's device mapper: the ioctls of
// linux/dm-ioctl.h on /dev/mapper/control, which devtmpfs has. There is no udev here, so no
// cookies are waited for, and the only nodes are /dev/dm-N: names and links are up to the
// caller.
package dm

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
)

// Commands of linux/dm-ioctl.h.
const (
	cmdCreate      = 3
	cmdRemove      = 4
	cmdSuspend     = 6
	cmdLoad        = 9
	cmdTableStatus = 12
	cmdMessage     = 14
)

var cmdNames = map[int]string{
	cmdCreate: "creating the device", cmdRemove: "removing the device", cmdSuspend: "resuming the device",
	cmdLoad: "loading the table", cmdTableStatus: "reading the table", cmdMessage: "sending a message",
}

// A Control is an open /dev/mapper/control.
type Control struct {
	k  *lkl.Kernel
	fd int
}

// Open opens the control device of a kernel.
func Open(k *lkl.Kernel) (*Control, error) {
	fd, err := k.Open("/dev/mapper/control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/mapper/control: %w", err)
	}
	return &Control{k, fd}, nil
}

// Close closes the control device. Devices stay.
func (c *Control) Close() error { return c.k.CloseFd(c.fd) }

// A Device is a device of the device mapper.
type Device struct {
	Name         string
	Major, Minor uint32
}

// Numbers returns the device's numbers as tables have them: "253:0".
func (d Device) Numbers() string { return fmt.Sprint(d.Major, ":", d.Minor) }

// Node returns the path of the device's node in devtmpfs.
func (d Device) Node() string { return fmt.Sprint("/dev/dm-", d.Minor) }

// Create makes a device with a table and starts it. name and uuid are shorter than 128 bytes
// each. number returns the numbers of what the table names. The error has the kernel's own
// words.
func (c *Control) Create(name, uuid string, readOnly bool, table []volume.Target, number func(volume.Base) string) (Device, error) {
	mark := c.k.LogMark()
	r := &request{name: name, uuid: uuid}
	if err := c.do(cmdCreate, r); errors.Is(err, unix.ENXIO) {
		// The kernel says no more than that it has not made the device.
		return Device{}, fmt.Errorf("%w (the kernel has no thread left for one more device; more memory allows more)", err)
	} else if err != nil {
		return Device{}, err
	}
	d := Device{name, unix.Major(r.dev), unix.Minor(r.dev)}
	err := c.load(name, readOnly, table, number)
	if err == nil {
		err = c.resume(name, readOnly)
	}
	if err != nil {
		err = c.explain(err, mark)
		return Device{}, errors.Join(err, c.Remove(name))
	}
	return d, nil
}

// Reload gives a device another table. What is written to it meanwhile waits.
func (c *Control) Reload(name string, readOnly bool, table []volume.Target, number func(volume.Base) string) error {
	mark := c.k.LogMark()
	err := c.load(name, readOnly, table, number)
	if err == nil {
		// Resuming a device that has a new table suspends it first.
		err = c.resume(name, readOnly)
	}
	return c.explain(err, mark)
}

// Remove takes a device away. It is unix.EBUSY while something uses it.
func (c *Control) Remove(name string) error { return c.do(cmdRemove, &request{name: name}) }

// Message sends a message to the target at a sector of a device, as `dmsetup message` does.
func (c *Control) Message(name string, sector uint64, text string) error {
	return c.do(cmdMessage, &request{name: name, data: message(sector, text)})
}

// Table returns the table of a device as `dmsetup table` prints it, with keys.
func (c *Control) Table(name string) ([]string, error) { return c.lines(name, flagStatusTable) }

// Status returns the status of a device as `dmsetup status` prints it.
func (c *Control) Status(name string) ([]string, error) { return c.lines(name, 0) }

func (c *Control) lines(name string, flags uint32) ([]string, error) {
	r := &request{name: name, flags: flags, room: maxAnswer}
	if err := c.do(cmdTableStatus, r); err != nil {
		return nil, err
	}
	return r.lines()
}

func (c *Control) load(name string, readOnly bool, table []volume.Target, number func(volume.Base) string) error {
	data, err := encode(table, number)
	defer clear(data)
	if err != nil {
		return err
	}
	return c.do(cmdLoad, &request{name: name, flags: flagsFor(readOnly) | flagSecureData, count: uint32(len(table)), data: data})
}

func (c *Control) resume(name string, readOnly bool) error {
	return c.do(cmdSuspend, &request{name: name, flags: flagsFor(readOnly)})
}

func flagsFor(readOnly bool) uint32 {
	if readOnly {
		return flagReadOnly
	}
	return 0
}

// explain adds what the kernel has logged about the device mapper since a mark: the error
// alone is mostly EINVAL.
func (c *Control) explain(err error, mark lkl.LogMark) error {
	if err == nil {
		return nil
	}
	lines, _ := c.k.LogSince(mark)
	var words []string
	for _, l := range lines {
		if strings.HasPrefix(l, "device-mapper: ") || strings.HasPrefix(l, "md") {
			words = append(words, l)
		}
	}
	if len(words) > 0 {
		err = fmt.Errorf("%w (%s)", err, strings.Join(words, "; "))
	}
	return err
}
