package lkl

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRealPipe moves more through a pipe than it holds, up to its end.
func TestRealPipe(t *testing.T) {
	k := bootReal(t, nil)
	r, w, err := k.Pipe()
	must(t, "pipe", err)
	size, err := k.Fcntl(r, unix.F_SETPIPE_SZ, 256<<10)
	if err != nil || size != 256<<10 {
		t.Errorf("size %d, %v", size, err)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	done := make(chan error, 1)
	go func() {
		_, err := k.Write(w, want)
		k.CloseFd(w)
		done <- err
	}()
	var got bytes.Buffer
	buf := make([]byte, 100_000)
	for {
		n, err := k.Read(r, buf)
		must(t, "read", err)
		if n == 0 {
			break
		}
		got.Write(buf[:n])
	}
	must(t, "write", <-done)
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d of %d bytes", got.Len(), len(want))
	}
	must(t, "close", k.CloseFd(r))
	must(t, "close", k.Close())
}

// TestRealPipeAt: what has no positions is not read or written at one, however much it is.
func TestRealPipeAt(t *testing.T) {
	k := bootReal(t, nil)
	r, w, err := k.Pipe()
	must(t, "pipe", err)
	shared, err := k.Alloc(256 << 10)
	must(t, "alloc", err)
	for _, p := range [][]byte{make([]byte, 1), make([]byte, directSize-1), make([]byte, directSize), make([]byte, 1<<20), shared.Bytes()} {
		if _, err := k.Pread(r, p, 0); err != unix.ESPIPE {
			t.Errorf("pread of %d: %v", len(p), err)
		}
		if _, err := k.Pwrite(w, p, 0); err != unix.ESPIPE {
			t.Errorf("pwrite of %d: %v", len(p), err)
		}
	}
	shared.Free()
	must(t, "close", k.CloseFd(r))
	must(t, "close", k.CloseFd(w))
	must(t, "close", k.Close())
}
