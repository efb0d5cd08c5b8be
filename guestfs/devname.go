package guestfs

import (
	"strings"
	"syscall"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/devname"
)

// canonicalDeviceName gives a device the name that programs should see: that of its disk
// on a SCSI bus, that of a logical volume in its group.
func (g *Guestfs) canonicalDeviceName(device string) (string, error) {
	if strings.HasPrefix(device, "/dev/mapper/") || strings.HasPrefix(device, "/dev/dm-") {
		name, err := query(g, rpc.ProcLvmCanonicalLvName, &rpc.LvmCanonicalLvNameArgs{Lvname: device}, (*xdr.Codec).String)
		if err == nil {
			return name, nil
		}
		// Not a logical volume, but perhaps something else.
	}
	return devname.Canonical(device), nil
}

// deviceIndex returns which drive a device is, from 0.
func (g *Guestfs) deviceIndex(device string) (int, error) {
	g.mu.Lock()
	drives := len(g.drives)
	g.mu.Unlock()
	i, partition, ok := devname.Index(device)
	if !ok || partition != "" || i >= drives {
		return -1, errorf(syscall.ENOENT, "%s: device not found", device)
	}
	return i, nil
}

// isVolume is what im_type is of a btrfs subvolume.
const isVolume = 1

func (g *Guestfs) parseMountable(mountable string) (rpc.InternalMountable, error) {
	return query(g, rpc.ProcInternalParseMountable, &rpc.InternalParseMountableArgs{Mountable: mountable},
		func(c *xdr.Codec, m *rpc.InternalMountable) { m.Code(c) })
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
