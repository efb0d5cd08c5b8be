package unboot

import (
	"context"
	"errors"
	"fmt"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/devname"
	"github.com/unboot/unboot/internal/sectorcipher"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/luks"
	"github.com/unboot/unboot/volume/probe"
)

// EncryptNew returns how a new image is to be encrypted, by LUKS of version 1 as QEMU does it, for
// [disk.CreateOptions]. The functions that are given by [Keys] are asked once for the passphrase
// of a disk with the name of the first one, /dev/sda; the error of what writes the header wraps
// [ErrNoKey] if there is none.
func EncryptNew(ctx context.Context, opts ...Option) *disk.NewEncryption {
	var c config
	for _, o := range opts {
		o(&c)
	}
	n := &newEncryption{ctx: ctx, keys: c.keys}
	return &disk.NewEncryption{HeaderSize: luks.Header1Size, Write: n.write, Unlock: n.unlock}
}

type newEncryption struct {
	ctx    context.Context
	keys   []keySource
	secret []byte // from when the header is written until it is opened
}

// key asks for the passphrase.
func (n *newEncryption) key() (volume.Key, error) {
	d := &Device{Name: devname.Disk(0), Kind: KindDisk, Content: &probe.Info{Type: "crypto_LUKS"}}
	for _, source := range n.keys {
		key, err := source(d, 0)
		if errors.Is(err, ErrNoKey) {
			continue
		}
		if err == nil && key.Kind != volume.Passphrase {
			key.Wipe()
			err = fmt.Errorf("a new image is encrypted by a passphrase or a key file, and the key is neither")
		}
		return key, err
	}
	return volume.Key{}, ErrNoKey
}

func (n *newEncryption) write(d disk.HeaderDevice) error {
	key, err := n.key()
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	defer key.Wipe()
	encrypt := func(name string, key []byte, sector uint64, data []byte) error {
		c, err := sectorcipher.New(name, key)
		if err != nil {
			return err
		}
		return c.Encrypt(data, sector)
	}
	// A header is checked against a device that has some data, which are elsewhere.
	w := &luks.Writer{Device: d, Size: luks.Header1Size + sectorcipher.SectorSize, Encrypt: encrypt}
	if err := w.Format(n.ctx, key.Secret, luks.Layout{Version: 1}); err != nil {
		return err
	}
	n.secret = append([]byte(nil), key.Secret...)
	return nil
}

// unlock opens what write has made.
func (n *newEncryption) unlock(path string, e *disk.Encryption) (disk.SectorCipher, error) {
	defer clear(n.secret)
	secret := n.secret
	return Unlock(n.ctx, Keys(func(_ *Device, try int) (volume.Key, error) {
		if try > 0 || secret == nil {
			return volume.Key{}, ErrNoKey
		}
		return volume.Key{Kind: volume.Passphrase, Secret: append([]byte(nil), secret...)}, nil
	}))(path, e)
}
