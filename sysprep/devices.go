package sysprep

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/fsctl"
	"github.com/unboot/unboot/internal/fsctl/ext4"
	"github.com/unboot/unboot/volume/relabel"
)

// Devices does the operations that change devices rather than files: fs-uuids. What cannot
// be done is told to warn, which may be nil.
//
// Preconditions: for fs-uuids, no device of the image is mounted.
func (p *Plan) Devices(ctx context.Context, img *unboot.Image, warn func(text string)) error {
	if warn == nil {
		warn = func(string) {}
	}
	if p.Enabled.Has("fs-uuids") {
		for _, d := range img.FileSystems() {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := newUUID(img, d); err != nil {
				warn(fmt.Sprintf("fs-uuids: %s (%s): %v", d.Name, d.Content.Type, err))
			}
		}
	}
	if p.Enabled.Has("lvm-uuids") {
		for _, d := range img.Devices() {
			if d.Kind == unboot.KindLVM {
				warn("lvm-uuids: the UUIDs of LVM's physical volumes and volume groups stay as they are")
				break
			}
		}
	}
	return nil
}

// newUUID gives a file system a random UUID.
func newUUID(img *unboot.Image, d *unboot.Device) error {
	var id [16]byte
	rand.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	uuid := fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	f, err := d.Open(os.O_RDWR | os.O_EXCL)
	if err != nil {
		return err
	}
	err = errors.Join(relabel.SetUUID(f, d.Content.Type, uuid), f.Sync(), f.Close())
	if err != nil && strings.HasPrefix(d.Content.Type, "ext") {
		// The UUID is part of its checksums, as a rule: the kernel can make those again.
		err = kernelUUID(img, d, id)
	}
	return err
}

// kernelUUID has the kernel set the UUID of an ext2, ext3 or ext4.
func kernelUUID(img *unboot.Image, d *unboot.Device, id [16]byte) error {
	f, err := img.Mount(d.Name)
	if err != nil {
		return err
	}
	v := f.View()
	fd, err := v.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err == nil {
		err = ext4.FS(fsctl.File{View: v, FD: fd}).SetUUID(id)
		err = errors.Join(err, v.CloseFd(fd))
	}
	return errors.Join(err, f.Unmount())
}
