package bitlocker

import (
	"fmt"

	"github.com/unboot/unboot/volume"
)

// table returns the table of a volume that is wholly encrypted, as cryptsetup makes it.
func (l layout) table(m *volume.Member, key *dataKey) []volume.Target {
	var list []volume.Target
	for _, r := range l {
		if r.kind == isZero {
			list = append(list, zero(r))
		} else {
			list = append(list, key.target(m, r))
		}
	}
	return list
}

// twoLayers returns a volume that is encrypted in pieces, after a hidden one that decrypts
// all of the device. A piece is then a linear map onto one or the other: thousands
// of them cost little, while each target of dm-crypt has its own threads and memory.
func twoLayers(v *volume.Volume, m *volume.Member, l layout, key *dataKey) []*volume.Volume {
	all := &volume.Volume{
		Kind: v.Kind, Name: v.Name + "_crypt", UUID: v.UUID + "_crypt", Size: v.Size, Hidden: true, ReadOnly: true,
		Table: []volume.Target{key.target(m, run{length: v.Size})},
	}
	all.Nodes = []string{"/dev/mapper/" + all.Name}
	for _, r := range l {
		var below volume.Base
		switch r.kind {
		case isZero:
			v.Table = append(v.Table, zero(r))
			continue
		case isCipher:
			below = all
		case isPlain:
			below = m
		}
		v.Table = append(v.Table, volume.Target{
			Start: r.start / volume.SectorSize, Length: r.length / volume.SectorSize, Type: "linear",
			Params: fmt.Sprintf("@ %d", r.from/volume.SectorSize), Devices: []volume.Base{below},
		})
	}
	v.Bases = nil
	return []*volume.Volume{all, v}
}

func zero(r run) volume.Target {
	return volume.Target{Start: r.start / volume.SectorSize, Length: r.length / volume.SectorSize, Type: "zero"}
}

// target returns the line of dm-crypt that decrypts a run. The numbers of sectors from which
// the initialization vectors come are those of where the data lies.
func (key *dataKey) target(m *volume.Member, r run) volume.Target {
	options := ""
	if key.sector != volume.SectorSize {
		options = fmt.Sprintf(" 2 sector_size:%d iv_large_sectors", key.sector)
	}
	from := r.from / volume.SectorSize
	return volume.Target{
		Start: r.start / volume.SectorSize, Length: r.length / volume.SectorSize, Type: "crypt",
		Params:  fmt.Sprintf("%s $ %d @ %d%s", key.cipher, from, from, options),
		Devices: []volume.Base{m}, Key: key.key,
	}
}
