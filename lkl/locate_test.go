package lkl

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// Pieces are numbers of the kernel process: whatever they are, nothing is
// written but the memory that the caller wants filled.
func TestSpans(t *testing.T) {
	k := bootFake(t, nil)
	d := newRAMDisk(1 << 16)
	for i := range d.data {
		d.data[i] = byte(i % 251)
	}
	_, err := k.AttachDisk(Disk{Device: d, ReadOnly: true})
	must(t, "attach", err)
	const start, size = 1 << 20, 8192
	for _, tt := range []struct {
		name     string
		at       abiPiece
		err      error
		from, to int // what is written
	}{
		{"all", abiPiece{Offset: 4096, Buffer: start, Length: size}, nil, 0, size},
		{"part", abiPiece{Offset: 512, Buffer: start + 1024, Length: 2048}, nil, 1024, 3072},
		{"cut at the end of the file", abiPiece{Offset: 0, Buffer: start + 4096, Length: 1 << 15}, nil, 4096, size},
		{"endless", abiPiece{Offset: 0, Buffer: start, Length: 1<<64 - 1}, nil, 0, size},
		{"past the end of the file", abiPiece{Offset: 0, Buffer: start + size + 1, Length: 512}, nil, 0, 0},
		{"before the memory", abiPiece{Offset: 0, Buffer: start - 512, Length: 1024}, nil, 0, 0},
		{"no such disk", abiPiece{Disk: 1, Buffer: start, Length: 512}, unix.ENODEV, 0, 0},
		{"no disk at all", abiPiece{Disk: 1 << 31, Buffer: start, Length: 512}, unix.ENODEV, 0, 0},
		{"behind the disk", abiPiece{Offset: 1<<16 + 1, Buffer: start, Length: 512}, unix.EIO, 0, 0},
		{"over the disk's end", abiPiece{Offset: 1<<16 - 512, Buffer: start, Length: 1024}, unix.EIO, 0, 0},
		{"offset that wraps", abiPiece{Offset: 1<<64 - 512, Buffer: start, Length: 1024}, unix.EIO, 0, 0},
	} {
		guarded := bytes.Repeat([]byte{255}, size+64)
		spans, err := k.spans(nil, guarded[:size], start, []abiPiece{tt.at})
		at := 0
		for i := range spans {
			data, rerr := spans[i].Bytes()
			if err == nil {
				err = rerr
			}
			if rerr == nil && &data[0] != &guarded[at] {
				t.Errorf("%s: span %d is not where it belongs", tt.name, i)
			}
			at += spans[i].Len()
		}
		if err != tt.err || at != size {
			t.Errorf("%s: %d bytes, %v, want %v", tt.name, at, err, tt.err)
		}
		want := bytes.Repeat([]byte{255}, size+64)
		copy(want[tt.from:tt.to], d.data[min(tt.at.Offset, 1<<16):])
		if !bytes.Equal(guarded, want) {
			t.Errorf("%s: not what was to be written", tt.name)
		}
	}
	overlapping := []abiPiece{{Offset: 512, Buffer: start + 512, Length: 1024}, {Buffer: start, Length: 513}}
	if _, err := k.spans(nil, make([]byte, size), start, overlapping); err == nil {
		t.Error("two pieces of a disk for the same memory")
	}
}
