package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

func FuzzOptions(f *testing.F) {
	f.Add("ro,offset=8")
	f.Fuzz(func(t *testing.T, options string) { parseOptions(options) })
}

// FuzzMounted calls any procedure with any strings while a file system is mounted, of
// which nothing is kept.
func FuzzMounted(f *testing.F) {
	k, err := lkl.Boot(f.Context(), nil)
	if errors.Is(err, lkl.ErrNoKernel) {
		f.Skip(err)
	} else if err == nil {
		k.Kill()
	}
	img := testimg.FS(f, "ext4", testimg.Options{Tree: true})
	s, err := New(Config{Drives: []Drive{{Path: img, ReadOnly: true}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Add(uint32(rpc.ProcLs0), uint64(0), "/", "", uint32(0))
	f.Add(uint32(rpc.ProcGrep), uint64(1), "a.*", "/", uint32(1))
	f.Add(uint32(rpc.ProcCpA), uint64(0), "/", "/x", uint32(0))
	f.Add(uint32(rpc.ProcUmount), uint64(0), "/", "", uint32(0))
	f.Fuzz(func(t *testing.T, proc uint32, given uint64, a, b string, n uint32) {
		switch proc %= 600; proc {
		case rpc.ProcSleep, rpc.ProcDebug, rpc.ProcInternalExit, rpc.ProcZeroFreeSpace:
			return
		}
		if !s.mounted() {
			s.mount("", "", "/dev/sda", "/")
		}
		e := xdr.NewEncoder(make([]byte, 4))
		h := protocol.Header{Proc: proc, Serial: protocol.FirstSerial, OptArgs: given}
		h.Code(e)
		e.String(&a)
		e.String(&b)
		e.Uint32(&n)
		message, err := e.Result()
		if err != nil {
			return
		}
		size := len(message) - 4
		message[0], message[1], message[2], message[3] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
		// Calls with other arguments than these end when they are decoded: those of a
		// length that fits are enough.
		p := protocol.Server{Handler: dispatcher{s}, Panic: func(v any, stack []byte) { t.Errorf("panic: %v\n%s", v, stack) }}
		for cut := len(message); cut > 44 && cut > len(message)-12; cut -= 4 {
			m := bytes.Clone(message[:cut])
			size := len(m) - 4
			m[0], m[1], m[2], m[3] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
			p.Serve(context.Background(), peer{bytes.NewReader(append(m, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0)), io.Discard})
		}
	})
}
