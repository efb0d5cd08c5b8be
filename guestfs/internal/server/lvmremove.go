package server

import (
	"bytes"
	"context"

	"golang.org/x/sys/unix"
)

// An LVM label is in one of the first four sectors of 512 bytes, and begins with its
// name: lib/label/label.h of LVM2.
const (
	lvmLabelSectors = 4
	lvmLabel        = "LABELONE"
)

// LvmRemoveAll removes LVM's volumes, groups and physical volumes. Without its labels
// there are none: that is what pvremove(8) does. Nothing of them may be in use.
func (s *Server) LvmRemoveAll(ctx context.Context) error {
	img, err := s.image()
	if err != nil {
		return err
	}
	if err := s.lvmActivate(ctx, false, nil); err != nil {
		return err
	}
	for _, d := range img.Devices() {
		if info, err := s.probe(d.Name); err != nil || info.Type != "LVM2_member" {
			continue
		}
		err := s.withNode(d.Name, unix.O_RDWR|unix.O_EXCL, removeLVMLabel)
		if err != nil {
			return err
		}
		s.devicesChanged()
	}
	return nil
}

func removeLVMLabel(n *node) error {
	head := make([]byte, lvmLabelSectors*512)
	if _, err := n.ReadAt(head, 0); err != nil {
		return perror(err, "read: %s", n.Name())
	}
	for at := 0; at < len(head); at += 512 {
		if sector := head[at : at+512]; bytes.HasPrefix(sector, []byte(lvmLabel)) {
			clear(sector)
		}
	}
	if _, err := n.WriteAt(head, 0); err != nil {
		return perror(err, "write: %s", n.Name())
	}
	return nil
}
