package ldm

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
)

// readerOf reads what a volume maps, through all the devices that it lies on.
func readerOf(t *testing.T, base volume.Base) io.ReaderAt {
	t.Helper()
	v, ok := base.(*volume.Volume)
	if !ok {
		return base.(*volume.Member).R
	}
	at := func(b volume.Base) io.ReaderAt { return readerOf(t, b) }
	if r, ok := volume.NewReader(v.Table, at); ok {
		return r
	}
	if len(v.Table) != 1 || v.Table[0].Type != "raid" {
		t.Fatalf("the table of %s: %v", v.Name, v.Table)
	}
	// LEVEL #PARAMS CHUNK nosync #DEVICES - DEVICE…
	w := strings.Fields(v.Table[0].Params)
	chunk, _ := strconv.ParseInt(w[2], 10, 64)
	r := &raidReader{chunk: chunk * 512}
	devices := v.Table[0].Devices
	for i := 6; i < len(w); i += 2 {
		if w[i] == "-" {
			r.legs = append(r.legs, nil)
			continue
		}
		r.legs = append(r.legs, at(devices[0]))
		devices = devices[1:]
	}
	if w[0] == "raid1" {
		for _, l := range r.legs {
			if l != nil {
				return l
			}
		}
	}
	if w[0] != "raid5_ls" || w[1] != "2" || w[3] != "nosync" || w[4] != fmt.Sprint(len(r.legs)) {
		t.Fatalf("the table of %s: %v", v.Name, v.Table)
	}
	return r
}

// A raidReader reads a left-symmetric RAID 5, of which one leg may be missing.
type raidReader struct {
	chunk int64
	legs  []io.ReaderAt
}

func (r *raidReader) ReadAt(b []byte, off int64) (n int, err error) {
	count := int64(len(r.legs))
	for n < len(b) {
		number, in := off/r.chunk, off%r.chunk
		stripe, data := number/(count-1), number%(count-1)
		parity := count - 1 - stripe%count
		leg := (parity + 1 + data) % count
		p := b[n:][:min(int64(len(b)-n), r.chunk-in)]
		if r.legs[leg] != nil {
			_, err = r.legs[leg].ReadAt(p, stripe*r.chunk+in)
		} else {
			clear(p)
			other := make([]byte, len(p))
			for i, l := range r.legs {
				if int64(i) == leg {
					continue
				}
				if _, err = l.ReadAt(other, stripe*r.chunk+in); err != nil {
					return n, err
				}
				for j := range p {
					p[j] ^= other[j]
				}
			}
		}
		if err != nil {
			return n, err
		}
		n += len(p)
		off += int64(len(p))
	}
	return n, nil
}
