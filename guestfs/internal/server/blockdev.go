package server

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// The blockdev family is that of blockdev(8), which names the ioctls.

// withNode calls f with an open device.
func (s *Server) withNode(device string, flags int, f func(n *node) error) error {
	n, err := s.openNode(device, flags)
	if err != nil {
		return err
	}
	defer n.Close()
	return f(n)
}

// setInt makes an ioctl whose argument points to a number.
func (n *node) setInt(req uint, value int32) error {
	b := []byte{byte(value), byte(value >> 8), byte(value >> 16), byte(value >> 24)}
	if _, err := n.View().Ioctl(n.Fd(), req, b); err != nil {
		return perror(err, "ioctl: %s", n.Name())
	}
	return nil
}

// command makes an ioctl whose argument is a number, or unused.
func (n *node) command(req uint, value int) error {
	if _, err := n.View().IoctlInt(n.Fd(), req, value); err != nil {
		return perror(err, "ioctl: %s", n.Name())
	}
	return nil
}

// number makes an ioctl that answers with 32 bits.
func (n *node) number(req uint) (int, error) {
	v, err := n.View().IoctlGetUint32(n.Fd(), req)
	if err != nil {
		return 0, perror(err, "ioctl: %s", n.Name())
	}
	return int(int32(v)), nil
}

func (s *Server) deviceNumber(device string, req uint) (v int, err error) {
	err = s.withNode(device, unix.O_RDONLY, func(n *node) error {
		v, err = n.number(req)
		return err
	})
	return v, err
}

// BlockdevSetro makes a device read-only.
func (s *Server) BlockdevSetro(ctx context.Context, a *rpc.BlockdevSetroArgs) error {
	return s.withNode(a.Device, unix.O_RDONLY, func(n *node) error { return n.setInt(unix.BLKROSET, 1) })
}

// BlockdevSetrw makes a device writable.
func (s *Server) BlockdevSetrw(ctx context.Context, a *rpc.BlockdevSetrwArgs) error {
	return s.withNode(a.Device, unix.O_RDONLY, func(n *node) error { return n.setInt(unix.BLKROSET, 0) })
}

// BlockdevGetro reports whether a device is read-only.
func (s *Server) BlockdevGetro(ctx context.Context, a *rpc.BlockdevGetroArgs) (bool, error) {
	v, err := s.deviceNumber(a.Device, unix.BLKROGET)
	return v != 0, err
}

// BlockdevGetss returns the size of a sector in bytes.
func (s *Server) BlockdevGetss(ctx context.Context, a *rpc.BlockdevGetssArgs) (int, error) {
	return s.deviceNumber(a.Device, unix.BLKSSZGET)
}

// BlockdevGetbsz returns the size of a block of the device's cache in bytes.
func (s *Server) BlockdevGetbsz(ctx context.Context, a *rpc.BlockdevGetbszArgs) (int, error) {
	return s.deviceNumber(a.Device, unix.BLKBSZGET)
}

// BlockdevSetbsz does nothing that lasts, as the daemon's: the size is forgotten when
// the device is closed.
func (s *Server) BlockdevSetbsz(ctx context.Context, a *rpc.BlockdevSetbszArgs) error {
	return s.withNode(a.Device, unix.O_RDONLY|unix.O_EXCL, func(n *node) error {
		return n.setInt(unix.BLKBSZSET, int32(a.Blocksize))
	})
}

// BlockdevGetsz returns the size of a device in units of 512 bytes.
func (s *Server) BlockdevGetsz(ctx context.Context, a *rpc.BlockdevGetszArgs) (v int64, err error) {
	err = s.withNode(a.Device, unix.O_RDONLY, func(n *node) error {
		v = n.size / 512
		return nil
	})
	return v, err
}

// BlockdevGetsize64 returns the size of a device in bytes.
func (s *Server) BlockdevGetsize64(ctx context.Context, a *rpc.BlockdevGetsize64Args) (v int64, err error) {
	err = s.withNode(a.Device, unix.O_RDONLY, func(n *node) error {
		v = n.size
		return nil
	})
	return v, err
}

// BlockdevFlushbufs writes back and forgets what is cached of a device.
func (s *Server) BlockdevFlushbufs(ctx context.Context, a *rpc.BlockdevFlushbufsArgs) error {
	return s.withNode(a.Device, unix.O_RDONLY, func(n *node) error { return n.command(unix.BLKFLSBUF, 0) })
}

// BlockdevRereadpt has the partition table of a disk read again.
func (s *Server) BlockdevRereadpt(ctx context.Context, a *rpc.BlockdevRereadptArgs) error {
	if _, err := s.wholeDisk(a.Device); err != nil {
		return err
	}
	return s.rescan()
}

// BlockdevSetra sets how far is read ahead, in units of 512 bytes.
func (s *Server) BlockdevSetra(ctx context.Context, a *rpc.BlockdevSetraArgs) error {
	if a.Sectors < 0 {
		return errorf("%s: read ahead of %d sectors", a.Device, a.Sectors)
	}
	return s.withNode(a.Device, unix.O_RDONLY, func(n *node) error { return n.command(unix.BLKRASET, a.Sectors) })
}
