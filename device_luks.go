package unboot

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume/luks"
)

// ChangeLUKS has f make or change the LUKS header of a device, and then finds what is on the
// device, as [Image.Rescan] does. What cryptsetup(8) does by luksFormat, luksAddKey and
// luksKillSlot, the Writer does by its methods. The error of f is returned as it is.
//
// To make a header nothing may use the device: f gets no Writer then, and the error wraps
// EBUSY, if a volume on it is open. keep says that f only changes the keys of a header, for
// which that may be.
func (img *Image) ChangeLUKS(d *Device, keep bool, f func(*luks.Writer) error) error {
	if now, err := img.Device(d.Name); err == nil && !keep && len(now.Children()) > 0 {
		return &hintError{unix.EBUSY, d.Name + " is in use by " + now.Children()[0].Name}
	}
	file, err := d.Open(unix.O_RDWR)
	if err != nil {
		return err
	}
	err = f(&luks.Writer{Device: file, Size: d.Size, Encrypt: img.encrypt, Decrypt: img.decrypt})
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	// What was said of the device before does not hold any more.
	img.mountMu.Lock()
	if !keep {
		img.forget(d.Name)
	}
	img.mountMu.Unlock()
	return img.Rescan()
}
