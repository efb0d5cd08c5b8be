// Package plain opens volumes of plain dm-crypt, which have no metadata at all: what they are
// encrypted with stands in cryptsetup(8), crypttab(5), or somebody's memory.
//
// They are looked for only where a key names the device, and has among its Params one of
// "plain" and "cipher" and none that begins with "tcrypt" or "veracrypt". These Params have
// the names and the meaning of crypttab(5)'s options, and the defaults that cryptsetup has on
// Debian 12:
//
//   - "cipher": "aes-cbc-essiv:sha256";
//   - "size": of the key, 256 bits;
//   - "hash": what makes the key of a passphrase, "ripemd160". "plain" takes the passphrase
//     itself, and "NAME:N" the first N bytes of the hash. A key of the kind
//     [volume.VolumeKey] is not hashed, as cryptsetup does with key files;
//   - "offset": where the data begins on the device, in sectors of 512 bytes;
//   - "skip": what is added to the number of a sector for its initialization vector;
//   - "sector-size": of encryption, 512 bytes.
//
// Nothing says whether a key is right: the first one that is for this kind opens the
// device.
package plain

import (
	"context"
	"strings"

	"github.com/unboot/unboot/volume"
)

// Type is plain dm-crypt. The Info of its volumes is a [*Header].
var Type = volume.Type{Name: "plain", Blind: true, Alone: true, Open: open}

func open(ctx context.Context, members []*volume.Member, env *volume.Env) []*volume.Volume {
	var list []*volume.Volume
	if env.Keys == nil {
		return nil
	}
	for _, m := range members {
		if ctx.Err() != nil {
			break
		}
		if v := openMember(m, env); v != nil {
			list = append(list, v)
		}
	}
	return list
}

func openMember(m *volume.Member, env *volume.Env) *volume.Volume {
	name := "plain-" + strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(m.Name, "/dev/"), "mapper/"), "/", "-")
	v := &volume.Volume{
		Kind: "crypt", Name: name, Nodes: []string{"/dev/mapper/" + name}, UUID: "CRYPT-PLAIN-" + name,
		Size: m.Size, Bases: []volume.Base{m},
	}
	lock := &volume.Lock{Format: "plain dm-crypt", Slots: []volume.KeySlot{{ID: "0", Kind: volume.Passphrase, Descr: "any"}}}
	for k, err := range env.Keys.Keys(m, lock) {
		if err != nil {
			lock.Err = err
			v.Locked = lock
			return v
		}
		if !mine(k) {
			k.Wipe()
			continue
		}
		err := complete(v, m, env, k)
		k.Wipe()
		if err != nil {
			v.Problems = append(v.Problems, "plain dm-crypt: "+err.Error())
		}
		return v
	}
	return nil
}

// mine reports whether a key is for this kind of volumes.
func mine(k volume.Key) bool {
	if k.Kind != volume.Passphrase && k.Kind != volume.VolumeKey {
		return false
	}
	for name := range k.Params {
		if strings.HasPrefix(name, "tcrypt") || strings.HasPrefix(name, "veracrypt") {
			return false
		}
	}
	_, plain := k.Params["plain"]
	_, cipher := k.Params["cipher"]
	return plain || cipher
}
