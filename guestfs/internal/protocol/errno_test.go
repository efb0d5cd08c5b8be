package protocol

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrnoNames(t *testing.T) {
	n := 0
	for e := syscall.Errno(1); e < 200; e++ {
		name := ErrnoName(e)
		if name == "" {
			continue
		}
		n++
		if back := ErrnoByName(name); back != e {
			t.Errorf("%s is %d, not %d", name, back, e)
		}
		if len(name) > ErrnoMax {
			t.Errorf("%s is too long", name)
		}
	}
	if n < 130 {
		t.Errorf("only %d names", n)
	}
	for name, want := range map[string]syscall.Errno{"EWOULDBLOCK": unix.EAGAIN, "ENOTSUP": unix.ENOTSUP, "EOPNOTSUPP": unix.ENOTSUP, "": 0, "EHUH": 0} {
		if got := ErrnoByName(name); got != want {
			t.Errorf("%q is %d, want %d", name, got, want)
		}
	}
}

func TestErrno(t *testing.T) {
	for _, test := range []struct {
		err  error
		want syscall.Errno
	}{
		{fmt.Errorf("x: %w", &fs.PathError{Op: "open", Path: "/x", Err: unix.EROFS}), unix.EROFS},
		{fmt.Errorf("x: %w", fs.ErrNotExist), unix.ENOENT},
		{context.Canceled, unix.EINTR},
		{&Error{"ENOTSUP", "no"}, unix.ENOTSUP},
		{fmt.Errorf("x"), 0},
	} {
		if got := Errno(test.err); got != test.want {
			t.Errorf("%v: %d, want %d", test.err, got, test.want)
		}
	}
	if e := toWire(fmt.Errorf("%s", strings.Repeat("x", ErrorMax+5))); len(e.Message) >= ErrorMax {
		t.Error("message is too long")
	}
	if got := Strerror(unix.ENOENT); got != "No such file or directory" {
		t.Error(got)
	}
}
