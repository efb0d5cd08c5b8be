package scrub

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// disk remembers what it held at each Sync.
type disk struct {
	data   []byte
	synced [][]byte
	fail   map[string]error
	stuck  bool // keeps what it has
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	if err := d.fail["read"]; err != nil {
		return 0, err
	}
	return bytes.NewReader(d.data).ReadAt(p, off)
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	if err := d.fail["write"]; err != nil {
		return 0, err
	}
	if d.stuck {
		return len(p), nil
	}
	return copy(d.data[off:], p), nil
}

func (d *disk) Sync() error {
	d.synced = append(d.synced, bytes.Clone(d.data))
	return d.fail["fsync"]
}

func TestOverwrite(t *testing.T) {
	const size = pieceSize + 4096
	content := bytes.Repeat([]byte("secret! "), (size+8)/8)
	d := &disk{data: bytes.Clone(content)}
	if err := Overwrite(t.Context(), d, size); err != nil {
		t.Fatal(err)
	}
	if len(d.synced) != 3 {
		t.Fatalf("%d passes reached the disk", len(d.synced))
	}
	for i, data := range d.synced {
		if bytes.Contains(data[:size], []byte("secret")) || !bytes.Equal(data[size:], content[size:]) {
			t.Errorf("pass %d leaves something, or goes too far", i+1)
		}
	}
	if bytes.Equal(d.synced[0], d.synced[1]) || !bytes.Equal(d.data[:size], make([]byte, size)) {
		t.Error("the passes are not two of random data and one of zeros")
	}
	for _, call := range []string{"write", "fsync", "read"} {
		d := &disk{data: make([]byte, 100), fail: map[string]error{call: unix.EIO}}
		if err := Overwrite(t.Context(), d, 100); !errors.Is(err, unix.EIO) || err.Error() != call+": input/output error" {
			t.Errorf("%s: %v", call, err)
		}
	}
	if err := Overwrite(t.Context(), &disk{data: []byte("content"), stuck: true}, 7); err != ErrMismatch {
		t.Error(err)
	}
	if err := Overwrite(t.Context(), &disk{data: make([]byte, 5)}, 7); err != ErrMismatch {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Overwrite(ctx, d, size); err != context.Canceled {
		t.Error(err)
	}
}

// small is a file system with room for so many bytes, which writes whole blocks or nothing.
type small struct{ room, block int }

func (s *small) Write(p []byte) (int, error) {
	n := min(len(p), s.room) / s.block * s.block
	if s.room -= n; n < len(p) {
		return n, unix.ENOSPC
	}
	return n, nil
}

func TestFill(t *testing.T) {
	fs := &small{3*pieceSize + 5*512, 512}
	if full, err := Fill(t.Context(), fs, 2*pieceSize); full || err != nil || fs.room != pieceSize+5*512 {
		t.Errorf("%t, %v, %d bytes left", full, err, fs.room)
	}
	if full, err := Fill(t.Context(), fs, 1<<40); !full || err != nil || fs.room != 0 {
		t.Errorf("%t, %v, %d bytes left", full, err, fs.room)
	}
}
