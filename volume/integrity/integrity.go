// Package integrity reads the superblock of dm-integrity, which integritysetup(8) has the
// kernel write: a device with a checksum for each of its blocks.
//
// It follows the kernel's Documentation/admin-guide/device-mapper/dm-integrity.rst. The
// superblock does not say which checksum it is. It is the one that the first blocks have, or
// else integritysetup's default for its size, CRC-32C. If none fits, and it may have a key,
// the volume is locked. A key is an HMAC's ([volume.VolumeKey]); "integrity-algorithm" of
// its Params says which, as in integritytab(5), and otherwise all are tried.
//
// Below LUKS2, dm-integrity is that package's.
package integrity

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/dmname"
)

// Type is the kind of volumes that dm-integrity guards by itself. [volume.Volume.Info] is a
// [*Superblock].
var Type = volume.Type{Name: "integrity", Members: []string{"DM_integrity"}, Open: open}

func open(ctx context.Context, members []*volume.Member, env *volume.Env) []*volume.Volume {
	var list []*volume.Volume
	taken := map[string]bool{}
	for _, m := range members {
		if ctx.Err() != nil {
			break
		}
		s, err := Read(m.R, m.Size)
		if err != nil {
			m.Problems = append(m.Problems, err.Error())
			continue
		}
		v := plan(s, m, env)
		v.Name = name(m)
		for base, i := v.Name, 2; taken[v.Name]; i++ {
			v.Name = fmt.Sprintf("%s-%d", base, i)
		}
		taken[v.Name] = true
		v.UUID = "CRYPT-INTEGRITY-" + v.Name
		v.Nodes = []string{"/dev/mapper/" + v.Name}
		list = append(list, v)
	}
	return list
}

// plan finds out the checksum, and makes the table that integritysetup(8) makes.
func plan(s *Superblock, m *volume.Member, env *volume.Env) *volume.Volume {
	v := &volume.Volume{Kind: "crypt", Size: s.Size, Info: s, Bases: []volume.Base{m}}
	switch {
	case s.Inline:
		v.Problems = []string{"its checksums are in the sectors themselves, which no image has"}
		return v
	case s.JournalMAC:
		v.Locked = &volume.Lock{Format: "dm-integrity", Err: fmt.Errorf("its journal is authenticated by a key of its own, which cannot be given here")}
		return v
	}
	var key []byte
	if s.Algorithm = s.detect(m); s.Algorithm == "" {
		if s.Algorithm, key, v.Locked = s.ask(m, env); v.Locked != nil {
			return v
		}
	}
	params := []string{fmt.Sprintf("block_size:%d", s.BlockSize), "internal_hash:" + s.Algorithm}
	if key != nil {
		params[1] += ":$"
	}
	if s.Recalculating {
		params = append(params, "recalculate")
		v.Problems = append(v.Problems, "its checksums have not all been computed yet")
	}
	// A bitmap that is in use has the blocks whose checksums may not fit. In another mode
	// the kernel would compute them all again.
	mode := "J"
	if s.Bitmap {
		mode = "B"
	}
	v.Bases = nil
	v.Table = []volume.Target{{
		Length: s.Size / volume.SectorSize, Type: "integrity", Devices: []volume.Base{m}, Key: key,
		Params: fmt.Sprintf("@ 0 %d %s %d %s", s.TagSize, mode, len(params), strings.Join(params, " ")),
	}}
	return v
}

// ask tries the keys.
func (s *Superblock) ask(m *volume.Member, env *volume.Env) (string, []byte, *volume.Lock) {
	lock := &volume.Lock{Format: "dm-integrity", Slots: []volume.KeySlot{{ID: "0", Kind: volume.VolumeKey,
		Descr: fmt.Sprintf("HMAC, %d bytes", s.TagSize)}}}
	if env == nil || env.Keys == nil {
		return "", nil, lock
	}
	for key, err := range env.Keys.Keys(m, lock) {
		if err != nil {
			lock.Err = err
			return "", nil, lock
		}
		if key.Kind == volume.VolumeKey || key.Kind == volume.Passphrase {
			for _, a := range hmacs {
				if want := key.Params["integrity-algorithm"]; want != "" && want != a.name && "hmac("+want+")" != a.name {
					continue
				}
				if s.fits(m, a.keyed(key.Secret)) {
					return a.name, key.Secret, nil
				}
			}
		}
		key.Wipe()
		lock.Tried++
	}
	return "", nil, lock
}

// name returns a name for the device mapper: nothing on the disk is one.
func name(m *volume.Member) string {
	s := m.PartName
	if s == "" {
		s = path.Base(m.Name) + "-integrity"
	}
	return dmname.Mangle(s[:min(len(s), 24)])
}
