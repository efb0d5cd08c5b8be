package server

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/volume"
)

const mapperPrefix = "/dev/mapper/"

// plainKeySize is how much cryptsetup reads of a key file for plain dm-crypt, in bytes.
const plainKeySize = 32

// CryptsetupOpen opens an encrypted device, as /dev/mapper/MAPNAME. Volume groups in it are
// active then.
func (s *Server) CryptsetupOpen(ctx context.Context, a *rpc.CryptsetupOpenArgs) error {
	if s.device(mapperPrefix+a.Mapname) != nil {
		return errorf("%s%s: device already exists", mapperPrefix, a.Mapname)
	}
	kind := a.Crypttype.Value
	if !a.Crypttype.Set {
		info, err := s.probe(a.Device)
		if err != nil {
			return err
		}
		switch info.Type {
		case "crypto_LUKS":
			kind = "luks"
		case "BitLocker":
			kind = "bitlk"
		default:
			return errorf("%s: unknown encrypted device type", info.Type)
		}
	}
	return s.cryptOpen(a.Device, kind, a.Key, a.Mapname, a.Readonly.Or(false))
}

// LuksOpen is CryptsetupOpen of older programs.
func (s *Server) LuksOpen(ctx context.Context, a *rpc.LuksOpenArgs) error {
	return s.CryptsetupOpen(ctx, &rpc.CryptsetupOpenArgs{Device: a.Device, Key: a.Key, Mapname: a.Mapname, Crypttype: rpc.Some("luks")})
}

// LuksOpenRo is CryptsetupOpen for reading.
func (s *Server) LuksOpenRo(ctx context.Context, a *rpc.LuksOpenRoArgs) error {
	return s.CryptsetupOpen(ctx, &rpc.CryptsetupOpenArgs{Device: a.Device, Key: a.Key, Mapname: a.Mapname,
		Readonly: rpc.Some(true), Crypttype: rpc.Some("luks")})
}

// cryptKinds are the types that cryptsetup(8) knows, and what has to be found on the device:
// "" stands for nothing.
var cryptKinds = map[string]string{
	"luks": "crypto_LUKS", "luks1": "crypto_LUKS", "luks2": "crypto_LUKS", "bitlk": "BitLocker", "fvault2": "cs_fvault2",
	"tcrypt": "", "plain": "",
}

// recoveryPassword is one of BitLocker's: eight groups of six digits.
var recoveryPassword = regexp.MustCompile(`^\d{6}(-\d{6}){7}$`)

func (s *Server) cryptOpen(device, kind, key, name string, readOnly bool) error {
	content, known := cryptKinds[kind]
	if !known {
		return errorf("cryptsetup exited with status 1: Unrecognized metadata device type %s.", kind)
	}
	info, err := s.probe(device)
	if err != nil {
		return err
	}
	if content != "" && info.Type != content {
		return errorf("cryptsetup exited with status 1: Device %s is not a valid %s device.", device, strings.ToUpper(strings.TrimRight(kind, "12")))
	}
	if (kind == "luks1" || kind == "luks2") && info.Version != strings.TrimPrefix(kind, "luks") {
		return errorf("cryptsetup exited with status 1: Device %s is not a valid LUKS device.", device)
	}
	k := volume.Key{Kind: volume.Passphrase, Secret: []byte(key)}
	switch {
	case kind == "bitlk" && recoveryPassword.MatchString(key):
		k.Kind = volume.Recovery
	case kind == "tcrypt":
		k.Params = map[string]string{"tcrypt": "", "tcrypt-veracrypt": ""}
	case kind == "plain":
		// cryptsetup gets it as a key file, which is not hashed.
		k.Kind, k.Params = volume.VolumeKey, map[string]string{"plain": ""}
		k.Secret = k.Secret[:min(len(k.Secret), plainKeySize)]
	}
	img, err := s.image()
	if err != nil {
		return err
	}
	d, err := img.Device(device)
	if err != nil {
		return perror(unix.ENOENT, "%s", device)
	}
	opts := []unboot.UnlockOption{unboot.MapName(name)}
	if readOnly {
		opts = append(opts, unboot.MapReadOnly())
	}
	return cryptError(img.Unlock(d, k, opts...), device)
}

// cryptError words an error as cryptsetup(8) does in the appliance.
func cryptError(err error, device string) error {
	var locked *unboot.LockedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &locked) && locked.Lock.Err == nil:
		return errorf("cryptsetup exited with status 2: No key available with this passphrase.")
	case errors.Is(err, unix.EBUSY):
		return errorf("cryptsetup exited with status 5: Cannot use device %s which is in use (already mapped or mounted).", device)
	case errors.Is(err, unboot.ErrNotFound):
		return errorf("cryptsetup exited with status 1: No device header detected with this passphrase.")
	}
	return errorf("cryptsetup exited with status 1: %v", err)
}

// CryptsetupClose closes what CryptsetupOpen has opened.
func (s *Server) CryptsetupClose(ctx context.Context, a *rpc.CryptsetupCloseArgs) error {
	name, ok := strings.CutPrefix(a.Device, mapperPrefix)
	if !ok {
		return errorf("%s: you must call this on the /dev/mapper device created by cryptsetup-open", a.Device)
	}
	d := s.device(a.Device)
	if d == nil || d.Kind != unboot.KindCrypt {
		return errorf("cryptsetup exited with status 4: Device %s is not active.", name)
	}
	img, err := s.image()
	if err != nil {
		return err
	}
	err = img.Deactivate(d)
	if errors.Is(err, unix.EBUSY) {
		return errorf("cryptsetup exited with status 5: Device %s is still in use.", name)
	}
	return perrorAs(err)
}

// LuksClose is CryptsetupClose of older programs.
func (s *Server) LuksClose(ctx context.Context, a *rpc.LuksCloseArgs) error {
	return s.CryptsetupClose(ctx, &rpc.CryptsetupCloseArgs{Device: a.Device})
}
