package bitlocker

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/unboot/unboot/volume"
)

// A kind is what a run of a volume holds.
type kind int

const (
	isZero   kind = iota // where the metadata lies, the volume has zeros
	isCipher             // encrypted
	isPlain              // not encrypted yet, or no longer
)

// A run is a part of the volume. All numbers are in bytes.
type run struct {
	start, length int64
	from          int64 // on the device: another place than start for the first sectors
	kind          kind
}

type layout []run

// runsMax bounds the lines of a table. A volume that is encrypted as it is written to may have
// as many runs as chunks.
const runsMax = 1 << 16

// layout returns what the volume consists of. It is nil if nothing is encrypted any more.
func (meta *metadata) layout(m *volume.Member) (layout, error) {
	switch {
	case meta.Version == 1:
		return nil, errors.New("it was encrypted by Windows Vista: its boot sector cannot be shown as it was")
	case meta.State == Decrypted && meta.NextState == Decrypted:
		return nil, nil
	case meta.State == SwitchingDirty && meta.logSize > 0:
		return nil, errors.New("its conversion was interrupted: Windows has to finish it, as some sectors are only in a log")
	case meta.State < Decrypted || meta.State > Switching:
		return nil, fmt.Errorf("it is in a state that is not known: %d", uint16(meta.State))
	case meta.headSize <= 0 || meta.headAt < 0 || meta.headSize > meta.size || meta.headAt > meta.size-meta.headSize:
		return nil, errors.New("its first sectors are said to lie outside of it")
	}
	zeros := meta.reserved()
	encrypted := func(start, end int64) ([]run, error) {
		mark := int64(math.MaxInt64)
		if meta.State != Encrypted {
			// Conversion in either direction has its encrypted part in front.
			mark = meta.Encrypted
		}
		return split(start, end, mark), nil
	}
	if len(meta.boot.onWrite) > 0 {
		bits, err := readOnWrite(m, meta.boot.onWrite)
		if err != nil {
			return nil, err
		}
		zeros = append(zeros, bits.reserved...)
		encrypted = bits.runs
	}
	list, err := encrypted(meta.headAt, meta.headAt+meta.headSize)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].start -= meta.headAt
	}
	at := meta.headSize
	slices.SortFunc(zeros, func(a, b run) int { return cmp.Compare(a.start, b.start) })
	for _, z := range append(zeros, run{start: meta.size}) {
		if z.start > at {
			between, err := encrypted(at, min(z.start, meta.size))
			if err != nil {
				return nil, err
			}
			list = append(list, between...)
			at = z.start
		}
		if end := min(z.start+z.length, meta.size); end > at {
			list = append(list, run{start: at, length: end - at})
			at = end
		}
		if len(list) > runsMax {
			return nil, fmt.Errorf("it is encrypted in more than %d pieces", runsMax)
		}
	}
	sector := meta.boot.sectorSize
	for _, r := range list {
		if r.start%sector != 0 || r.length%sector != 0 || r.from%sector != 0 {
			return nil, fmt.Errorf("its extents are not multiples of its sectors of %d bytes", sector)
		}
	}
	return list, nil
}

// reserved returns where the metadata lies, in no order.
func (meta *metadata) reserved() []run {
	zeros := []run{{start: meta.headAt, length: meta.headSize}}
	for _, off := range meta.offsets {
		zeros = append(zeros, run{start: off, length: blockMax})
	}
	return zeros
}

// split returns the part of the device that is encrypted up to a mark, and plain from there.
func split(start, end, mark int64) []run {
	mark = min(max(start, mark), end)
	var list []run
	if mark > start {
		list = append(list, run{start: start, length: mark - start, from: start, kind: isCipher})
	}
	if end > mark {
		list = append(list, run{start: mark, length: end - mark, from: mark, kind: isPlain})
	}
	return list
}
