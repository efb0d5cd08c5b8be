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
