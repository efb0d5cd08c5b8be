package bitlocker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/unboot/unboot/volume"
)

var (
	le16 = binary.LittleEndian.Uint16
	le32 = binary.LittleEndian.Uint32
	le64 = binary.LittleEndian.Uint64
)

// The GUIDs by which Windows finds the metadata in a boot sector, wherever in it they stand.
var (
	guidNormal = []byte{0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01}
	// guidOnWrite is of a volume that is encrypted as it is written to: a bitmap says how far.
	guidOnWrite = []byte{0x3b, 0x4d, 0xa8, 0x92, 0x80, 0xdd, 0x0e, 0x4d, 0x9e, 0x4e, 0xb1, 0xe3, 0x28, 0x4e, 0xae, 0xd8}
)

// boot is what the boot sector says.
type boot struct {
	toGo       bool
	sectorSize int64
	offsets    []int64 // of the metadata blocks, in bytes
	onWrite    []int64 // of what says which parts are encrypted
}

func readBoot(m *volume.Member) (*boot, error) {
	b := make([]byte, 512)
	if err := m.ReadFull(b, 0); err != nil {
		return nil, err
	}
	s := &boot{toGo: string(b[3:11]) == "MSWIN4.1", sectorSize: int64(le16(b[11:]))}
	if !s.toGo && string(b[3:11]) != "-FVE-FS-" {
		return nil, errors.New("the boot sector is not one of BitLocker")
	}
	switch s.sectorSize {
	case 0: // seen, and taken for 512 by cryptsetup
		s.sectorSize = 512
	case 512, 1024, 2048, 4096:
	default:
		return nil, fmt.Errorf("sectors of %d bytes cannot be", s.sectorSize)
	}
	n := 3
	at := bytes.Index(b, guidOnWrite)
	if at >= 0 {
		n = 5
	} else {
		at = bytes.Index(b, guidNormal)
	}
	if at < 0 { // Windows Vista: the number of the cluster of the first block
		cluster := uint64(s.sectorSize) * uint64(b[13])
		lcn := le64(b[56:])
		if cluster == 0 || lcn == 0 || lcn > uint64(m.Size)/cluster {
			return nil, errors.New("the boot sector does not say where the metadata is")
		}
		s.offsets = []int64{int64(lcn * cluster)}
		return s, nil
	}
	at += 16
	if at+8*n > len(b) {
		return nil, errDamaged
	}
	for i := range n {
		off := le64(b[at+8*i:])
		if off >= uint64(m.Size) { // the others may be better
			continue
		}
		if i < 3 {
			s.offsets = append(s.offsets, int64(off))
		} else if off != 0 {
			s.onWrite = append(s.onWrite, int64(off))
		}
	}
	if len(s.offsets) == 0 {
		return nil, errors.New("all its metadata lies outside of the device")
	}
	if n == 5 && len(s.onWrite) == 0 {
		return nil, errors.New("the bitmap of what is encrypted lies outside of the device")
	}
	return s, nil
}
