// Package tcrypt opens volumes of TrueCrypt and VeraCrypt.
//
// It follows "VeraCrypt Volume Format Specification" of the documentation of VeraCrypt,
// and for what older versions of TrueCrypt did and for the tables of the device mapper, what
// cryptsetup does (tcrypt in cryptsetup(8)). The volumes have no signature, and to try a
// password takes seconds: they are looked for only where a key says so, by one of these Params
// with names of crypttab(5):
//
//   - "tcrypt": no more than that;
//   - "tcrypt-hidden": the hidden volume, and not the outer one;
//   - "tcrypt-system": the header of an encrypted system, on the whole disk;
//   - "tcrypt-backup": the header's copy at the end of the device;
//   - "tcrypt-veracrypt": the same as "tcrypt", but with "no", TrueCrypt alone;
//   - "veracrypt-pim": the Personal Iterations Multiplier.
//
// With "hash" beside it, only one of the hash functions is tried, such as "sha512", or
// "argon2id". Key files are mixed into a password by [Keyfiles].
//
// The hash function Streebog and the cipher Kuznyechik are not there, and neither are the
// cascades of Blowfish with others. Two modes of TrueCrypt before 4.1 are recognized, but the
// kernel cannot decrypt them: Blowfish, and cascades of ciphers in CBC.
package tcrypt

import (
	"context"
	"strings"

	"github.com/unboot/unboot/volume"
)

// Type is TrueCrypt and VeraCrypt. The Info of its volumes is a [*Header].
var Type = volume.Type{Name: "tcrypt", Blind: true, Alone: true, Open: open}

func open(ctx context.Context, members []*volume.Member, env *volume.Env) []*volume.Volume {
	var list []*volume.Volume
	if env.Keys == nil || env.Decrypt == nil {
		return nil
	}
	for _, m := range members {
		if ctx.Err() != nil {
			break
		}
		list = append(list, openMember(ctx, m, env)...)
	}
	return list
}

// openMember returns the volume of a device, after those that it lies on if it has several
// ciphers. There is none if no key is for this kind of volumes.
func openMember(ctx context.Context, m *volume.Member, env *volume.Env) []*volume.Volume {
	name := "tcrypt-" + short(m.Name)
	v := &volume.Volume{
		Kind: "crypt", Name: name, Nodes: []string{"/dev/mapper/" + name}, UUID: "CRYPT-TCRYPT-" + name,
		Size: m.Size, Bases: []volume.Base{m},
	}
	lock := &volume.Lock{Format: "VeraCrypt", Slots: []volume.KeySlot{{
		ID: "0", Kind: volume.Passphrase, Descr: "TrueCrypt or VeraCrypt, if it is one of them",
	}}}
	for k, err := range env.Keys.Keys(m, lock) {
		if err != nil {
			lock.Err = err
			break
		}
		o, mine := optionsOf(k)
		if !mine {
			k.Wipe()
			continue
		}
		h, err := find(ctx, m, env, k.Secret, o)
		k.Wipe()
		if h != nil {
			v.Info = &h.Header
			if err == nil {
				var list []*volume.Volume
				list, err = h.volumes(v, m)
				if err == nil {
					return list
				}
			}
			v.Problems = append(v.Problems, err.Error())
			return []*volume.Volume{v}
		}
		if err != nil {
			lock.Err = err
			break
		}
		lock.Tried++
	}
	if lock.Tried == 0 && lock.Err == nil {
		return nil
	}
	v.Locked = lock
	return []*volume.Volume{v}
}

// short returns a device's name as a part of another: "/dev/vg/lv" is "vg-lv".
func short(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "/dev/"), "mapper/")
	return strings.ReplaceAll(name, "/", "-")
}
