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
//   - "tcrypt-system": an encrypted system, whose header is on the whole disk. A key for the
//     disk opens all partitions that it encrypts, one for a partition that alone;
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
var Type = volume.Type{Name: "tcrypt", Blind: true, Partitioned: "tcrypt-system", Beside: true, Alone: true, Open: open}

// open opens the first member. The others may be the disk that it is a partition of, or its
// partitions.
func open(ctx context.Context, members []*volume.Member, env *volume.Env) []*volume.Volume {
	if env.Keys == nil || env.Decrypt == nil || len(members) == 0 || ctx.Err() != nil {
		return nil
	}
	return openMember(ctx, members[0], members[1:], env)
}

// openMember returns the volume of a device, after those that it lies on if it has several
// ciphers. There is none if no key is for this kind of volumes.
func openMember(ctx context.Context, m *volume.Member, others []*volume.Member, env *volume.Env) []*volume.Volume {
	v := newVolume(m)
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
		on := m
		if o.system {
			on = diskOf(m, others)
		}
		h, err := find(ctx, on, env, k.Secret, o)
		k.Wipe()
		if h != nil {
			v.Info = &h.Header
			if err == nil {
				var list []*volume.Volume
				if list, err = h.system(m, on, others); list == nil && err == nil {
					list, err = h.volumes(v, m)
				}
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

// newVolume returns the volume of a device, without a table.
func newVolume(m *volume.Member) *volume.Volume {
	name := "tcrypt-" + short(m.Name)
	return &volume.Volume{
		Kind: "crypt", Name: name, Nodes: []string{"/dev/mapper/" + name}, UUID: "CRYPT-TCRYPT-" + name,
		Size: m.Size, Bases: []volume.Base{m},
	}
}

// short returns a device's name as a part of another: "/dev/vg/lv" is "vg-lv".
func short(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "/dev/"), "mapper/")
	return strings.ReplaceAll(name, "/", "-")
}
