// Package bitlocker opens volumes of BitLocker, the encryption of Windows.
//
// It follows the "BitLocker Drive Encryption (BDE) format specification" of libbde, and for
// what that leaves open, the tables that cryptsetup makes of such a volume: the encrypted
// data by dm-crypt, and zeros where the metadata lies.
//
// Volumes of Windows 7 and later open, and those of "BitLocker To Go". It goes further than
// cryptsetup does where only a part of a volume is encrypted so far: what is plain is mapped
// as it is, and the volume is never written to. A volume of Windows Vista is recognized
// and described, but not opened: its boot sector would have to be changed while it is read,
// which the device mapper cannot do.
//
// A password costs a million rounds of SHA-256 for each protector that it may fit, which
// metadata cannot change; of those, only the first 32 of a volume are looked at.
package bitlocker

import (
	"context"
	"errors"
	"strings"

	"github.com/unboot/unboot/volume"
)

// Type is BitLocker. The Info of its volumes is a [*Header].
var Type = volume.Type{Name: "bitlocker", Members: []string{"BitLocker"}, Alone: true, Open: open}

func open(ctx context.Context, members []*volume.Member, env *volume.Env) []*volume.Volume {
	var list []*volume.Volume
	for _, m := range members {
		if ctx.Err() != nil {
			break
		}
		list = append(list, openMember(ctx, m, env)...)
	}
	return list
}

// openMember returns the volume of a device, after the one that it lies on, if it needs one.
func openMember(ctx context.Context, m *volume.Member, env *volume.Env) []*volume.Volume {
	meta, err := read(m)
	if err != nil {
		m.Problems = append(m.Problems, "BitLocker: "+err.Error())
		return nil
	}
	name := "bitlk-" + strings.ToLower(meta.Header.UUID)
	v := &volume.Volume{
		Kind: "crypt", Name: name, Nodes: []string{"/dev/mapper/" + name},
		UUID: "CRYPT-BITLK-" + name, // as cryptsetup calls it: without the volume's own identifier
		Size: meta.size, Bases: []volume.Base{m}, Info: meta.Header, Problems: meta.problems,
	}
	layout, err := meta.layout(m)
	if err != nil {
		v.Problems = append(v.Problems, err.Error())
		return []*volume.Volume{v}
	}
	if layout == nil { // all is decrypted
		v.Table = []volume.Target{{Length: meta.size / volume.SectorSize, Type: "linear", Params: "@ 0", Devices: []volume.Base{m}}}
		return []*volume.Volume{v}
	}
	key, lock, err := unlock(ctx, m, meta, env)
	if lock != nil {
		v.Locked = lock
		return []*volume.Volume{v}
	}
	if err != nil {
		v.Problems = append(v.Problems, err.Error())
		return []*volume.Volume{v}
	}
	if meta.converting() {
		v.ReadOnly = true
		return twoLayers(v, m, layout, key)
	}
	v.Table = layout.table(m, key)
	return []*volume.Volume{v}
}

// errDamaged is that metadata does not have the form that it is to have.
var errDamaged = errors.New("the metadata is damaged")
