package server

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/luks"
)

// LuksUuid returns the UUID in the header of a LUKS device. It needs no key, unlike all
// that reads further.
func (s *Server) LuksUuid(ctx context.Context, a *rpc.LuksUuidArgs) (string, error) {
	if err := s.isLUKS(a.Device); err != nil {
		return "", err
	}
	info, err := s.probe(a.Device)
	if err != nil {
		return "", err
	}
	return info.UUID, nil
}

// isLUKS reports as an error, as cryptsetup(8) words it, if a device has no LUKS header.
func (s *Server) isLUKS(device string) error {
	info, err := s.probe(device)
	if err == nil && info.Type != "crypto_LUKS" {
		return errorf("Device %s is not a valid LUKS device.", device)
	}
	return err
}

// LuksFormat makes a device a LUKS device, which a key opens.
func (s *Server) LuksFormat(ctx context.Context, a *rpc.LuksFormatArgs) error {
	return s.luksFormat(ctx, a.Device, a.Key, a.Keyslot, "")
}

// LuksFormatCipher is LuksFormat with a cipher, in the notation of dm-crypt.
func (s *Server) LuksFormatCipher(ctx context.Context, a *rpc.LuksFormatCipherArgs) error {
	return s.luksFormat(ctx, a.Device, a.Key, a.Keyslot, a.Cipher)
}

func (s *Server) luksFormat(ctx context.Context, device, key string, slot int, cipher string) error {
	if slot < 0 {
		return errorf("Key slot is invalid.")
	}
	return s.changeLUKS(device, false, func(w *luks.Writer) error {
		if err := w.Format(ctx, []byte(key), luks.Layout{Cipher: cipher}); err != nil || slot == 0 {
			return err
		}
		// A new header has the key in slot 0.
		if _, err := w.AddKey(ctx, passphrase(key), []byte(key), slot); err != nil {
			return err
		}
		return w.KillSlot(ctx, passphrase(key), 0)
	})
}

func passphrase(key string) volume.Key {
	return volume.Key{Kind: volume.Passphrase, Secret: []byte(key)}
}

// LuksAddKey adds a key to a LUKS device, which another one opens already.
func (s *Server) LuksAddKey(ctx context.Context, a *rpc.LuksAddKeyArgs) error {
	if err := s.isLUKS(a.Device); err != nil {
		return err
	}
	return s.changeLUKS(a.Device, true, func(w *luks.Writer) error {
		_, err := w.AddKey(ctx, passphrase(a.Key), []byte(a.Newkey), a.Keyslot)
		return err
	})
}

// LuksKillSlot takes a key away from a LUKS device.
func (s *Server) LuksKillSlot(ctx context.Context, a *rpc.LuksKillSlotArgs) error {
	if err := s.isLUKS(a.Device); err != nil {
		return err
	}
	return s.changeLUKS(a.Device, true, func(w *luks.Writer) error {
		return w.KillSlot(ctx, passphrase(a.Key), a.Keyslot)
	})
}

// changeLUKS has f write to the header of a device. keep says that the volume in it stays.
func (s *Server) changeLUKS(device string, keep bool, f func(*luks.Writer) error) error {
	img, err := s.image()
	if err != nil {
		return err
	}
	d, err := img.Device(device)
	if err != nil {
		return perror(unix.ENOENT, "%s", device)
	}
	err = img.ChangeLUKS(d, keep, f)
	switch {
	case errors.Is(err, luks.ErrPassphrase):
		return errorf("No key available with this passphrase.")
	case errors.Is(err, unix.EBUSY):
		return errorf("Device %s is in use. Cannot proceed with format operation.", device)
	}
	return perrorAs(err)
}
