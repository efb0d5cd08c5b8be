package unboot

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/devname"
	"github.com/unboot/unboot/internal/sectorcipher"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/luks"
	"github.com/unboot/unboot/volume/probe"
)

// Unlock returns what opens images that their own format encrypts, as qcow2 can, for
// [github.com/unboot/unboot/disk/source.Options]: it asks the functions that are given by
// [Keys] for the keys of a disk with the name of the first one, /dev/sda, that has the UUID of
// the LUKS header as its content. [Open] does that for its disks itself. Of the options, Keys
// and [UnboundedKeys] matter.
//
// The error of what returns is a *[LockedError] if there is no key, or none fits.
func Unlock(ctx context.Context, opts ...Option) func(path string, e *disk.Encryption) (disk.SectorCipher, error) {
	var c config
	for _, o := range opts {
		o(&c)
	}
	return c.unlock(ctx, 0)
}

// unlock is Unlock for a disk with a number.
func (c *config) unlock(ctx context.Context, number int) func(string, *disk.Encryption) (disk.SectorCipher, error) {
	return func(path string, e *disk.Encryption) (disk.SectorCipher, error) {
		u := &unlocker{ctx: ctx, path: path, unbounded: c.unbounded, keys: c.keys}
		u.device = Device{Name: devname.Disk(number), Kind: KindDisk}
		switch e.Method {
		case "LUKS":
			return u.luks(e)
		case "AES":
			return u.aes()
		}
		return nil, fmt.Errorf("%w (%s), which is not known here", disk.ErrEncrypted, e.Method)
	}
}

// An unlocker looks for the key of an image. It is a [volume.Keyring].
type unlocker struct {
	ctx       context.Context
	path      string
	unbounded bool
	keys      []keySource
	device    Device // as which keys are asked for
}

// Keys implements [volume.Keyring].
func (u *unlocker) Keys(_ *volume.Member, lock *volume.Lock) iter.Seq2[volume.Key, error] {
	return func(yield func(volume.Key, error) bool) {
		u.device.Locked = lock
		for _, source := range u.keys {
			for try := 0; ; try++ {
				key, err := source(&u.device, try)
				if errors.Is(err, ErrNoKey) {
					break
				}
				if !yield(key, err) || err != nil {
					return
				}
			}
		}
	}
}

// luks opens a header of LUKS. What that says of where the data begin is of no matter.
func (u *unlocker) luks(e *disk.Encryption) (disk.SectorCipher, error) {
	const data = 1 << 20 // bytes, after the header
	m := &volume.Member{R: e.Header, Size: e.HeaderSize + data, SectorSize: sectorcipher.SectorSize, Name: u.path, Disk: true}
	h, err := luks.ReadHeader(m.R, m.Size)
	if err != nil {
		return nil, err
	}
	u.device.Content = &probe.Info{Type: "crypto_LUKS", UUID: h.UUID}
	decrypt := func(name string, key []byte, sector uint64, data []byte) error {
		c, err := sectorcipher.New(name, key)
		if err != nil {
			return err
		}
		return c.Decrypt(data, sector)
	}
	list := luks.Type.Open(u.ctx, []*volume.Member{m}, &volume.Env{Keys: u, Decrypt: decrypt, Unbounded: u.unbounded})
	if len(list) != 1 {
		return nil, fmt.Errorf("%w by LUKS: %s", disk.ErrEncrypted, strings.Join(m.Problems, "; "))
	}
	v := list[0]
	defer func() {
		for _, t := range v.Table {
			clear(t.Key)
		}
	}()
	switch {
	case len(v.Problems) > 0:
		return nil, fmt.Errorf("%w by LUKS: %s", disk.ErrEncrypted, strings.Join(v.Problems, "; "))
	case v.Locked != nil:
		return nil, &LockedError{u.path, v.Locked}
	}
	// "CIPHER $ 0 @ OFFSET": sectors are counted from the beginning of the file.
	words := strings.Fields(v.Table[0].Params)
	if len(words) < 5 || words[2] != "0" || strings.Contains(v.Table[0].Params, "sector_size") {
		return nil, fmt.Errorf("%w by LUKS as %q, which is not known here", disk.ErrEncrypted, v.Table[0].Params)
	}
	return cipherOf(words[0], v.Table[0].Key)
}

// aes takes the first key for the passphrase: nothing in the image says whether it is right.
func (u *unlocker) aes() (disk.SectorCipher, error) {
	u.device.Content = &probe.Info{Type: "qcow2_AES"}
	lock := &volume.Lock{Format: "AES of qcow2", Slots: []volume.KeySlot{{Kind: volume.Passphrase, Descr: "up to 16 bytes, which are not verified"}}}
	for key, err := range u.Keys(nil, lock) {
		if err != nil {
			lock.Err = err
			break
		}
		secret := make([]byte, 16)
		copy(secret, key.Secret)
		key.Wipe()
		defer clear(secret)
		return cipherOf("aes-cbc-plain64", secret)
	}
	return nil, &LockedError{u.path, lock}
}

func cipherOf(name string, key []byte) (disk.SectorCipher, error) {
	c, err := sectorcipher.New(name, key)
	if err != nil {
		return nil, err
	}
	return c, nil
}
