package unboot

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/volume"
)

// decryptions counts the devices that decrypt has made, for their names.
var decryptions atomic.Uint64

// decrypt is [volume.Env]'s Decrypt: it puts data into a file in the kernel's memory, and
// reads that through dm-crypt. So the ciphers are the kernel's, whichever the metadata
// names.
func (img *Image) decrypt(cipher string, key []byte, sector uint64, data []byte) error {
	if len(data) == 0 || len(data)%volume.SectorSize != 0 {
		return fmt.Errorf("decrypting %d bytes: %w", len(data), unix.EINVAL)
	}
	k := img.k
	file, err := k.Open("/", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("decrypting: %w", err)
	}
	defer k.CloseFd(file)
	if _, err := k.Pwrite(file, data, 0); err != nil {
		return fmt.Errorf("decrypting: %w", err)
	}
	d, loop, err := img.attachLoop(file, true)
	if err != nil {
		return fmt.Errorf("decrypting: %w", err)
	}
	defer loop.Close()
	control, err := dm.Open(k)
	if err != nil {
		return err
	}
	defer control.Close()
	base := &volume.Member{Name: d.Name}
	var st unix.Statx_t
	if err := k.Fstatx(loop.Fd(), unix.STATX_TYPE, &st); err != nil {
		return err
	}
	number := func(volume.Base) string { return fmt.Sprint(st.Rdev_major, ":", st.Rdev_minor) }
	name := fmt.Sprint("unboot-decrypt-", decryptions.Add(1))
	out, err := control.Create(name, "", true, []volume.Target{{
		Length: int64(len(data)) / volume.SectorSize, Type: "crypt", Params: fmt.Sprintf("%s $ %d @ 0", cipher, sector),
		Devices: []volume.Base{base}, Key: key,
	}}, number)
	if err != nil {
		return err
	}
	defer control.Remove(name)
	f, err := img.OpenNode(out.Node(), unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.ReadAt(data, 0); err != nil {
		return fmt.Errorf("decrypting: %w", err)
	}
	return nil
}
