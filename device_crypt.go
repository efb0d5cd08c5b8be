package unboot

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/dm"
	"github.com/unboot/unboot/volume"
)

// cryptions counts the devices that crypt has made, for their names.
var cryptions atomic.Uint64

// decrypt is [volume.Env]'s Decrypt.
func (img *Image) decrypt(cipher string, key []byte, sector uint64, data []byte) error {
	return img.crypt("decrypting", cipher, key, sector, data, false)
}

// encrypt is the reverse.
func (img *Image) encrypt(cipher string, key []byte, sector uint64, data []byte) error {
	return img.crypt("encrypting", cipher, key, sector, data, true)
}

// crypt has data pass through dm-crypt, over a file in the kernel's memory. So the ciphers
// are the kernel's, whichever the metadata names.
func (img *Image) crypt(what, cipher string, key []byte, sector uint64, data []byte, encrypt bool) error {
	if len(data) == 0 || len(data)%volume.SectorSize != 0 {
		return fmt.Errorf("%s %d bytes: %w", what, len(data), unix.EINVAL)
	}
	k := img.k
	file, err := k.Open("/", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer k.CloseFd(file)
	if encrypt {
		err = k.Ftruncate(file, int64(len(data)))
	} else {
		_, err = k.Pwrite(file, data, 0)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := img.throughCrypt(file, cipher, key, sector, data, encrypt); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if encrypt {
		if _, err := k.Pread(file, data, 0); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// throughCrypt reads data from a file through dm-crypt, or writes them.
func (img *Image) throughCrypt(file int, cipher string, key []byte, sector uint64, data []byte, write bool) error {
	k := img.k
	loop, node, err := img.newLoop(file, !write)
	if err != nil {
		return err
	}
	defer loop.Close()
	control, err := dm.Open(k)
	if err != nil {
		return err
	}
	defer control.Close()
	base := &volume.Member{Name: node}
	numbers, err := img.numbers(node)
	if err != nil {
		return err
	}
	number := func(volume.Base) string { return numbers }
	name := fmt.Sprint("unboot-crypt-", cryptions.Add(1))
	out, err := control.Create(name, "", !write, []volume.Target{{
		Length: int64(len(data)) / volume.SectorSize, Type: "crypt", Params: fmt.Sprintf("%s $ %d @ 0", cipher, sector),
		Devices: []volume.Base{base}, Key: key,
	}}, number)
	if err != nil {
		return err
	}
	defer control.Remove(name)
	if write {
		f, err := img.OpenNode(out.Node(), unix.O_RDWR)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.WriteAt(data, 0); err != nil {
			return err
		}
		return f.Sync()
	}
	f, err := img.OpenNode(out.Node(), unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.ReadAt(data, 0)
	return err
}
