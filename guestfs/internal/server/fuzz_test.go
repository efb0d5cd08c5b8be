package server

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// peer is a library that has said all it will.
type peer struct {
	io.Reader
	io.Writer
}

func (peer) Close() error { return nil }

// FuzzCall calls any procedure with any arguments, and lets any bytes follow.
func FuzzCall(f *testing.F) {
	f.Add(uint32(rpc.ProcEchoDaemon), uint64(0), []byte{0, 0, 0, 1, 0, 0, 0, 1, 'x', 0, 0, 0}, []byte{})
	f.Add(uint32(rpc.ProcIsFile), uint64(1), []byte{0, 0, 0, 1, '/', 0, 0, 0, 0, 0, 0, 1}, []byte{})
	f.Add(uint32(rpc.ProcUpload), uint64(0), []byte{0, 0, 0, 1, '/', 0, 0, 0}, []byte{0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(uint32(rpc.ProcInternalFeatureAvailable), uint64(0), []byte{0, 0, 0, 3, 'a', 'c', 'l', 0}, []byte{0xff, 0xff, 0xee, 0xee})
	s, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, proc uint32, given uint64, args, rest []byte) {
		if proc %= 600; proc == rpc.ProcSleep {
			return
		}
		p := protocol.Server{Handler: dispatcher{s}, Panic: func(v any, stack []byte) {
			t.Errorf("panic: %v\n%s", v, stack)
		}}
		h := protocol.Header{Proc: proc, Serial: protocol.FirstSerial, OptArgs: given}
		e := xdr.NewEncoder(make([]byte, 4))
		h.Code(e)
		message, err := e.Result()
		if err != nil {
			t.Fatal(err)
		}
		message = append(message, args...)
		if len(message) > protocol.MessageMax {
			return
		}
		n := len(message) - 4
		message[0], message[1], message[2], message[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
		var out bytes.Buffer
		p.Serve(context.Background(), peer{bytes.NewReader(append(message, rest...)), &out})
	})
}
