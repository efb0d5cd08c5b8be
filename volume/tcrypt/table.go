package tcrypt

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/volume"
)

// place returns where the data lies on the device, and how long it is, in bytes.
func (h *header) place(m *volume.Member) (offset, size uint64, err error) {
	offset, size = h.offset, h.size
	if h.Hidden {
		size = h.hiddenSize
	}
	switch old := uint64(m.Size) - hiddenOldAt; {
	case h.System:
	case h.Mode == string(xts) && h.Version < 3:
		offset = volume.SectorSize
	case h.Hidden && (h.Mode != string(xts) || h.Version == 3):
		// The hidden volume ended at its header, which was near the end of the device.
		if size > old {
			return 0, 0, errors.New("the header says that the volume is larger than the device")
		}
		offset = old - size
	}
	if offset > uint64(m.Size) {
		return 0, 0, fmt.Errorf("the header says that the volume begins at %d, past the end of the device", offset)
	}
	if size == 0 && !h.Hidden { // up to TrueCrypt 2
		size = (uint64(m.Size) - offset) / volume.SectorSize * volume.SectorSize
	}
	switch {
	case size > uint64(m.Size)-offset:
		return 0, 0, fmt.Errorf("the header says that the volume has %d bytes, more than the device", size)
	case size == 0 || size%volume.SectorSize != 0 || offset%volume.SectorSize != 0 || h.SectorSize%volume.SectorSize != 0:
		return 0, 0, fmt.Errorf("%d bytes at %d, in sectors of %d bytes, cannot be", size, offset, h.SectorSize)
	}
	return offset, size, nil
}

// volumes completes v, the volume of a device. It returns it after the hidden devices
// that it lies on: one for each further cipher, as cryptsetup names them.
func (h *header) volumes(v *volume.Volume, m *volume.Member) ([]*volume.Volume, error) {
	defer clear(h.keys)
	if h.cascade.mode == outer {
		return nil, fmt.Errorf("it is encrypted with %s in a mode of TrueCrypt 4 that the kernel does not have", h.Cipher)
	}
	offset, size, err := h.place(m)
	if err != nil {
		return nil, err
	}
	iv := offset
	switch h.cascade.mode {
	case lrw:
		iv = 0
	case cbc:
		iv = h.offset
	}
	return h.layers(v, m, offset, size, iv), nil
}

// layers completes v by a table for each cipher: size bytes of a device from offset on, whose
// first sector has the number that iv has in bytes.
func (h *header) layers(v *volume.Volume, m *volume.Member, offset, size, iv uint64) []*volume.Volume {
	var list []*volume.Volume
	var below volume.Base = m
	v.Size, v.Bases = int64(size), nil
	for i := len(h.cascade.ciphers) - 1; i >= 0; i-- {
		layer := v
		if i > 0 {
			name := fmt.Sprintf("%s_%d", v.Name, i)
			layer = &volume.Volume{
				Kind: v.Kind, Name: name, Nodes: []string{"/dev/mapper/" + name}, UUID: "CRYPT-TCRYPT-" + name,
				Size: v.Size, Hidden: true,
			}
		}
		layer.Table = []volume.Target{{
			Length: v.Size / volume.SectorSize, Type: "crypt",
			Params: fmt.Sprintf("%s-%s $ %d @ %d", h.cascade.ciphers[i], h.cascade.mode, iv/volume.SectorSize, offset/volume.SectorSize),
			Key:    h.cascade.key(i, h.keys), Devices: []volume.Base{below},
		}}
		list = append(list, layer)
		below, offset = layer, 0
	}
	return list
}
