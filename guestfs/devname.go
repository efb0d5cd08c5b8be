package guestfs

import (
	"regexp"
	"strings"
	"syscall"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

var diskName = regexp.MustCompile(`^/dev/[hsv]d([a-z]+)([0-9]*)$`)

// canonicalDeviceName gives a device the name that programs should see: that of its disk
// on a SCSI bus, that of a logical volume in its group.
func (g *Guestfs) canonicalDeviceName(device string) (string, error) {
	if m := diskName.FindStringSubmatch(device); m != nil {
		return "/dev/sd" + m[1] + m[2], nil
	}
	if strings.HasPrefix(device, "/dev/mapper/") || strings.HasPrefix(device, "/dev/dm-") {
		name := ""
		err := g.call(rpc.ProcLvmCanonicalLvName, &rpc.LvmCanonicalLvNameArgs{Lvname: device}, func(c *xdr.Codec) { c.String(&name) })
		if err == nil {
			return name, nil
		}
		// Not a logical volume, but perhaps something else.
	}
	return device, nil
}

// deviceIndex returns which drive a device is, from 0.
func (g *Guestfs) deviceIndex(device string) (int, error) {
	g.mu.Lock()
	drives := len(g.drives)
	g.mu.Unlock()
	m := diskName.FindStringSubmatch(device)
	if m == nil || m[2] != "" || len(m[1]) > 3 {
		return -1, errorf(syscall.ENOENT, "%s: device not found", device)
	}
	n := 0
	for _, letter := range m[1] {
		n = 26*n + int(letter-'a') + 1
	}
	if n > drives {
		return -1, errorf(syscall.ENOENT, "%s: device not found", device)
	}
	return n - 1, nil
}

// isVolume is what im_type is of a btrfs subvolume.
const isVolume = 1

func (g *Guestfs) parseMountable(mountable string) (m rpc.InternalMountable, err error) {
	err = g.call(rpc.ProcInternalParseMountable, &rpc.InternalParseMountableArgs{Mountable: mountable},
		func(c *xdr.Codec) { m.Code(c) })
	return m, err
}

func (g *Guestfs) mountableDevice(mountable string) (string, error) {
	m, err := g.parseMountable(mountable)
	return m.ImDevice, err
}

func (g *Guestfs) mountableSubvolume(mountable string) (string, error) {
	m, err := g.parseMountable(mountable)
	if err == nil && m.ImType != isVolume {
		err = errorf(syscall.EINVAL, "not a btrfs subvolume identifier: %s", mountable)
	}
	return m.ImVolume, err
}
