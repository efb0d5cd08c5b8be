package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Drive says which partition Windows gives a drive letter to.
type Drive struct {
	Letter string // "C"
	// DiskID and Offset say it on a disk with an MBR: the signature at its
	// byte 440, as 8 hexadecimal digits, and the partition's start in bytes.
	DiskID string
	Offset int64
	// PartUUID says it on a disk with a GPT: the partition's GUID, as blkid
	// spells it. On dynamic disks it is that of the volume.
	PartUUID string
}

// drives reads \DosDevices\C: and its like from the key MountedDevices. Floppies and
// CD drives, whose values are the paths of devices, are left out.
func drives(h hive) (list []Drive) {
	k := h.key("MountedDevices")
	for letter := 'A'; letter <= 'Z' && k != nil; letter++ {
		v := h.value(k, `\DosDevices\`+string(letter)+":")
		d := Drive{Letter: string(letter)}
		le := binary.LittleEndian
		switch guid, gpt := bytes.CutPrefix(v.Data, []byte("DMIO:ID:")); {
		case len(v.Data) == 12:
			d.DiskID = fmt.Sprintf("%08x", le.Uint32(v.Data))
			d.Offset = int64(le.Uint64(v.Data[4:]))
			if d.Offset < 0 {
				continue
			}
		case gpt && len(guid) == 16:
			d.PartUUID = fmt.Sprintf("%08x-%04x-%04x-%x-%x",
				le.Uint32(guid), le.Uint16(guid[4:]), le.Uint16(guid[6:]), guid[8:10], guid[10:])
		default:
			continue
		}
		list = append(list, d)
	}
	return list
}
