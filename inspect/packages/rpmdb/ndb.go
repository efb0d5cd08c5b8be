package rpmdb

import "encoding/binary"

// NDB is a header, an array of slots that say where the blobs are, and the blobs, in
// units of 16 bytes. All numbers are in little endian.
const (
	ndbMagic    = 'R' | 'p'<<8 | 'm'<<16 | 'P'<<24
	ndbSlot     = 'S' | 'l'<<8 | 'o'<<16 | 't'<<24
	ndbBlob     = 'B' | 'l'<<8 | 'b'<<16 | 'S'<<24
	ndbHeader   = 32 // bytes
	ndbSlotSize = 16
	ndbUnit     = 16
	ndbPage     = 4096
)

// ndb reads all slots. Each one that is in use has a number, an offset and a length.
func (f *file) ndb(head []byte) error {
	le := binary.LittleEndian
	if v := le.Uint32(head[4:]); v != 0 {
		return corrupt("version %d of NDB", v)
	}
	// The header counts pages of slots; blobs begin after them.
	end := min(int64(le.Uint32(head[12:]))*ndbPage, f.size)
	slot := make([]byte, ndbSlotSize)
	for off := int64(ndbHeader); off+ndbSlotSize <= end; off += ndbSlotSize {
		if err := f.read(slot, off); err != nil {
			return err
		}
		if le.Uint32(slot) != ndbSlot {
			return corrupt("no slot at %d", off)
		}
		index := le.Uint32(slot[4:])
		if index == 0 {
			continue
		}
		blob, err := f.ndbBlob(index, int64(le.Uint32(slot[8:]))*ndbUnit, int64(le.Uint32(slot[12:]))*ndbUnit)
		if err == nil {
			err = f.emit(blob)
		} else {
			err = f.fail(err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ndbBlob reads the blob of a slot. It repeats the slot's number.
func (f *file) ndbBlob(index uint32, off, size int64) ([]byte, error) {
	le := binary.LittleEndian
	head := make([]byte, 16)
	if err := f.read(head, off); err != nil {
		return nil, err
	}
	n := int64(le.Uint32(head[12:]))
	if le.Uint32(head) != ndbBlob || le.Uint32(head[4:]) != index || n > size-int64(len(head)) {
		return nil, corrupt("no blob %d at %d", index, off)
	}
	if err := f.reserve(n); err != nil {
		return nil, err
	}
	if off+16+n > f.size {
		return nil, corrupt("blob %d ends past the end of the file", index)
	}
	blob := make([]byte, n)
	return blob, f.read(blob, off+16)
}
