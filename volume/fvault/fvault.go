// Package fvault opens volumes of FileVault 2: CoreStorage of Apple's systems before APFS,
// with one logical volume, encrypted with AES-XTS.
//
// It follows O. Choudary, F. Gröbert and J. Metz, "Infiltrate the Vault: Security Analysis and
// Decryption of Lion Full Disk Encryption", the documentation of libfvde, and what
// cryptsetup does (fvault2 in cryptsetup(8)). As that, it knows one passphrase: the
// first that the metadata has. A volume for which that would take more than 50 million
// iterations of PBKDF2 is not tried, unless [volume.Env] says so.
package fvault

import (
	"context"
	"strings"

	"github.com/unboot/unboot/volume"
)

// Type is FileVault 2. The Info of its volumes is a [*Header].
var Type = volume.Type{Name: "fvault", Members: []string{"cs_fvault2"}, Alone: true, Open: open}

// A Header is what the metadata of a volume says.
type Header struct {
	UUID       string // of the physical volume
	FamilyUUID string // of the family of logical volumes, from which a part of the key comes
	Offset     int64  // of the logical volume on the device, in bytes
	Size       int64  // of the logical volume, in bytes
	Iterations uint32 // of PBKDF2
}

func open(ctx context.Context, members []*volume.Member, env *volume.Env) []*volume.Volume {
	var list []*volume.Volume
	for _, m := range members {
		if ctx.Err() != nil {
			break
		}
		meta, err := read(m)
		if err != nil {
			m.Problems = append(m.Problems, "FileVault: "+err.Error())
			continue
		}
		list = append(list, meta.open(ctx, m, env))
	}
	return list
}

func (meta *metadata) open(ctx context.Context, m *volume.Member, env *volume.Env) *volume.Volume {
	name := "fvault2-" + strings.ToLower(meta.UUID)
	v := &volume.Volume{
		Kind: "crypt", Name: name, Nodes: []string{"/dev/mapper/" + name}, UUID: "CRYPT-FVAULT2-" + name,
		Size: meta.Size, Bases: []volume.Base{m}, Info: &meta.Header,
	}
	if err := meta.check(m.Size); err != nil {
		v.Problems = append(v.Problems, err.Error())
		return v
	}
	key, lock := meta.unlock(ctx, m, env)
	if key == nil {
		v.Locked = lock
		return v
	}
	v.Table = []volume.Target{meta.target(m, key)}
	return v
}
