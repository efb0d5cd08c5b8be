package crash

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
)

// A file's content is made of blocks. Each says which file it belongs to, where
// its position there, and its generation, which counts the writes to it; the rest follows
// from these. So each block that is found can be judged by itself.
const blockSize = 4096

type stamp struct {
	File  uint64
	Block uint64
	Gen   uint64
}

const stampMagic = 0x6b636f6c62746275

func (s stamp) fill(b []byte) {
	binary.LittleEndian.PutUint64(b, stampMagic)
	binary.LittleEndian.PutUint64(b[8:], s.File)
	binary.LittleEndian.PutUint64(b[16:], s.Block)
	binary.LittleEndian.PutUint64(b[24:], s.Gen)
	r := rand.NewPCG(s.File<<20^s.Block, s.Gen)
	for i := 32; i < blockSize; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
}

var errGarbage = errors.New("holds something that was never written")

var zeroBlock [blockSize]byte

// torn reports whether b can be a block that was being overwritten sector by sector: each
// sector has one of the generations from first to last, where 0 stands for zeros.
func torn(b []byte, file, block, first, last uint64) bool {
	const sector = 512
	var all [][blockSize]byte
	for g := first; g <= last; g++ {
		var one [blockSize]byte
		if g > 0 {
			stamp{file, block, g}.fill(one[:])
		}
		all = append(all, one)
	}
	for at := 0; at < len(b); at += sector {
		end := min(at+sector, len(b))
		fits := false
		for i := range all {
			fits = fits || bytes.Equal(b[at:end], all[i][at:end])
		}
		if !fits {
			return false
		}
	}
	return true
}

// judge returns the stamp of a block as it was found; a zero one if the block
// is all zeros, as what was never written reads.
func judge(b []byte) (stamp, error) {
	if bytes.Equal(b, zeroBlock[:len(b)]) {
		return stamp{}, nil
	}
	if len(b) < 32 || binary.LittleEndian.Uint64(b) != stampMagic {
		return stamp{}, errGarbage
	}
	s := stamp{
		File:  binary.LittleEndian.Uint64(b[8:]),
		Block: binary.LittleEndian.Uint64(b[16:]),
		Gen:   binary.LittleEndian.Uint64(b[24:]),
	}
	var want [blockSize]byte
	s.fill(want[:])
	if !bytes.Equal(b, want[:len(b)]) {
		return s, errGarbage
	}
	return s, nil
}
