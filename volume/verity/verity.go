// Package verity reads the superblock of dm-verity, which veritysetup(8) writes: data that
// are verified by a tree of hashes, against the hash of its root.
//
// It follows cryptsetup's description of the format
// (https://gitlab.com/cryptsetup/cryptsetup/-/wikis/DMVerity), the kernel's
// Documentation/admin-guide/device-mapper/verity.rst, and, for how the root hash is found,
// the Discoverable Partitions Specification: its first 128 bits are the UUID of the partition
// with the data, its last 128 bits that of the partition with the hashes. Otherwise the root
// hash is a key: see [volume.RootHash].
//
// Nothing says on which device the data are. They are looked for among all devices of the
// image, and before the hashes if these are somewhere inside a device: their first and last blocks have the hashes that the tree has for them. The tree is
// checked against the root hash here as well, so that one which does not fit is a key that
// does not fit, and not a device on which nothing can be read.
package verity

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/dmname"
)

// Type is the kind of volumes that dm-verity verifies. [volume.Volume.Info] is a
// [*Superblock].
var Type = volume.Type{Name: "verity", Members: []string{member}, Beside: true, Offset: true, Open: open}

const member = "DM_verity_hash"

func open(ctx context.Context, members []*volume.Member, env *volume.Env) []*volume.Volume {
	var list []*volume.Volume
	taken := map[string]bool{}
	for _, m := range members {
		if ctx.Err() != nil {
			break
		}
		if m.Offset == 0 && (m.Info == nil || m.Info.Type != member) {
			continue
		}
		s, err := Read(m.R, m.Offset)
		if err != nil {
			m.Problems = append(m.Problems, err.Error())
			continue
		}
		list = append(list, plan(s, m, members, env, taken))
	}
	return list
}

// plan finds the data and the root hash of a tree.
func plan(s *Superblock, m *volume.Member, members []*volume.Member, env *volume.Env, taken map[string]bool) *volume.Volume {
	v := &volume.Volume{Kind: "crypt", Size: s.DataBlocks * s.DataBlockSize, ReadOnly: true, Info: s, Bases: []volume.Base{m}}
	name := func(data *volume.Member) {
		v.Name = nameOf(m, data, s)
		if taken[v.Name] {
			v.Name += "-" + s.UUID
		}
		taken[v.Name] = true
		v.Nodes = []string{"/dev/mapper/" + v.Name}
		v.UUID = "CRYPT-VERITY-" + strings.ReplaceAll(s.UUID, "-", "") + "-" + v.Name
		v.UUID = v.UUID[:min(len(v.UUID), 128)]
	}
	tree, err := s.tree(m)
	if err != nil {
		name(nil)
		v.Problems = append(v.Problems, err.Error())
		return v
	}
	list := tree.findData(members)
	if len(list) == 0 {
		name(nil)
		v.Problems = append(v.Problems, "no device has the data whose hashes it has")
		return v
	}
	data := list[0]
	name(data)
	v.Bases = append(v.Bases, data)
	s.Signature = tree.signature(members)
	root := tree.discover(m, data)
	if root == nil {
		if root, v.Locked = tree.ask(m, data, env); root == nil {
			return v
		}
	}
	s.RootHash = root
	v.Bases = nil
	v.Table = []volume.Target{{
		Length: v.Size / volume.SectorSize, Type: "verity", Devices: []volume.Base{data, m},
		Params: fmt.Sprintf("%d @ @ %d %d %d %d %s %x %s", s.HashType, s.DataBlockSize, s.HashBlockSize,
			s.DataBlocks, s.HashStart, s.Algorithm, root, saltText(s.Salt)),
	}}
	return v
}

func saltText(salt []byte) string {
	if len(salt) == 0 {
		return "-"
	}
	return hex.EncodeToString(salt)
}

// discover returns the root hash if the UUIDs of the two partitions say it.
func (t *tree) discover(m, data *volume.Member) []byte {
	first, err1 := hex.DecodeString(strings.ReplaceAll(data.PartUUID, "-", ""))
	last, err2 := hex.DecodeString(strings.ReplaceAll(m.PartUUID, "-", ""))
	if err1 != nil || err2 != nil || len(first) != 16 || len(last) != 16 {
		return nil
	}
	if len(t.root) < 32 || !bytes.HasPrefix(t.root, first) || !bytes.HasSuffix(t.root, last) {
		return nil
	}
	if len(t.root) > 32 {
		return nil // the middle of it is in no UUID
	}
	return t.root
}

// ask tries the keys. They are compared with what the tree hashes to.
func (t *tree) ask(m, data *volume.Member, env *volume.Env) ([]byte, *volume.Lock) {
	lock := &volume.Lock{Format: "verity", Slots: []volume.KeySlot{{ID: "0", Kind: volume.RootHash,
		Descr: fmt.Sprintf("root hash, %s", t.s.Algorithm)}}}
	if env == nil || env.Keys == nil {
		return nil, lock
	}
	for key, err := range env.Keys.Keys(m, lock) {
		if err != nil {
			lock.Err = err
			return nil, lock
		}
		ok := t.fits(key)
		key.Wipe()
		if ok {
			return t.root, nil
		}
		lock.Tried++
	}
	return nil, lock
}

// fits reports whether a key is the root hash: in binary, or, typed by somebody, in
// hexadecimal digits.
func (t *tree) fits(key volume.Key) bool {
	switch key.Kind {
	case volume.RootHash:
		return bytes.Equal(key.Secret, t.root)
	case volume.Passphrase:
		b, err := hex.DecodeString(strings.TrimSpace(string(key.Secret)))
		return err == nil && bytes.Equal(b, t.root)
	}
	return false
}

// nameOf returns the name that systemd gives the device, or one after the partition.
func nameOf(m, data *volume.Member, s *Superblock) string {
	if name := names[m.PartType]; name != "" {
		return name
	}
	if data != nil && data.PartName != "" {
		return dmname.Mangle(data.PartName[:min(len(data.PartName), 20)])
	}
	return "verity-" + s.UUID
}
