// Package luks opens volumes that are encrypted by LUKS, versions 1 and 2.
//
// It follows "LUKS1 On-Disk Format Specification", version 1.2.3, and "LUKS2 On-Disk Format
// Specification", version 1.1.4, of https://gitlab.com/cryptsetup/LUKS2-docs, and is as
// strict about headers as cryptsetup(8) is. It deviates from cryptsetup in these points:
//
//   - The size of a device that is no multiple of the volume's sectors is rounded down,
//     where cryptsetup refuses the device.
//   - A header that is damaged is read from its second copy, and is not repaired. Nothing is
//     written but by a [Writer].
//   - The hash functions SM3 and Streebog, and the faulty Whirlpool of old libgcrypt, are
//     not known.
//
// What the header asks of a key derivation is bounded, unless [volume.Env] says otherwise:
// see [MaxMemory], [MaxPasses], [MaxIterations], and for all its slots together [MaxWork]. A
// key slot that asks for more is listed with that remark, and the others are tried.
//
// A header may be on another device than the data. Then a key for the device with the data
// has the name of the other, or UUID= and the header's UUID, as its parameter "header": see
// [Detached].
//
// The parameter "key-slot" of a [volume.Key] names the only slot that is to be tried, as
// crypttab(5) describes it.
package luks

import (
	"context"
	"fmt"

	"github.com/unboot/unboot/volume"
)

// Type is the kind of volumes that this package opens.
var Type = volume.Type{
	Name:    "luks",
	Members: []string{"crypto_LUKS"},
	Alone:   true,
	Open:    open,
}

func open(ctx context.Context, members []*volume.Member, env *volume.Env) (list []*volume.Volume) {
	for _, m := range members {
		if ctx.Err() != nil {
			break
		}
		h, err := ReadHeader(m.R, m.Size)
		if err != nil {
			m.Problems = append(m.Problems, fmt.Sprintf("%s: %v", m.Name, err))
			continue
		}
		o := opening{ctx: ctx, env: env, header: h, area: m, data: m}
		list = append(list, o.volumes()...)
	}
	return list
}
