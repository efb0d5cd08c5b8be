package session

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"testing"
	"time"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/rig"
)

// arguments are those of the procedures that transfer files. What is not here is called
// with some that are wrong: that fails, which is a case too.
var arguments = map[uint32]rpc.Args{
	rpc.ProcUpload:            &rpc.UploadArgs{Remotefilename: "/up"},
	rpc.ProcUploadOffset:      &rpc.UploadOffsetArgs{Remotefilename: "/up", Offset: 1000},
	rpc.ProcInternalUpload:    &rpc.InternalUploadArgs{Tmpname: "/up", Mode: 0o600},
	rpc.ProcBase64In:          &rpc.Base64InArgs{Filename: "/up"},
	rpc.ProcTarIn:             &rpc.TarInArgs{Directory: "/dir"},
	rpc.ProcTgzIn:             &rpc.TgzInArgs{Directory: "/dir"},
	rpc.ProcTxzIn:             &rpc.TxzInArgs{Directory: "/dir"},
	rpc.ProcDownload:          &rpc.DownloadArgs{Remotefilename: "/big"},
	rpc.ProcDownloadOffset:    &rpc.DownloadOffsetArgs{Remotefilename: "/dev/sda", Offset: 1, Size: big},
	rpc.ProcBase64Out:         &rpc.Base64OutArgs{Filename: "/big"},
	rpc.ProcTarOut:            &rpc.TarOutArgs{Directory: "/"},
	rpc.ProcTgzOut:            &rpc.TgzOutArgs{Directory: "/"},
	rpc.ProcTxzOut:            &rpc.TxzOutArgs{Directory: "/"},
	rpc.ProcCpioOut:           &rpc.CpioOutArgs{Directory: "/"},
	rpc.ProcCompressOut:       &rpc.CompressOutArgs{Ctype: "gzip", File: "/big"},
	rpc.ProcCompressDeviceOut: &rpc.CompressDeviceOutArgs{Ctype: "gzip", Device: "/dev/sda"},
	rpc.ProcChecksumsOut:      &rpc.ChecksumsOutArgs{Csumtype: "sha256", Directory: "/"},
	rpc.ProcFind0:             &rpc.Find0Args{Directory: "/"},
	rpc.ProcLs0:               &rpc.Ls0Args{Dir: "/"},
	rpc.ProcInternalReaddir:   &rpc.InternalReaddirArgs{Dir: "/"},
}

// content is a file for a call with FileIn, some hundred chunks, without an end.
func content(proc uint32) []byte {
	var b bytes.Buffer
	var w io.Writer = &b
	switch proc {
	case rpc.ProcTgzIn:
		z, _ := gzip.NewWriterLevel(&b, gzip.NoCompression)
		defer z.Close()
		w = z
		fallthrough
	case rpc.ProcTarIn:
		archive := tar.NewWriter(w)
		archive.WriteHeader(&tar.Header{Name: "file", Mode: 0o600, Size: 1 << 30})
		archive.Write(make([]byte, 2<<20))
	case rpc.ProcBase64In:
		w.Write(bytes.Repeat([]byte("QUJD"), 512<<10))
	default:
		w.Write(make([]byte, 2<<20))
	}
	return b.Bytes()
}

// A moment is when a library dies. do gets the call and the file, if one goes in.
type moment struct {
	name string
	do   func(conn *net.UnixConn, call, file []byte)
}

// send sends what can be sent within a second: nobody reads if the server waits.
func send(conn *net.UnixConn, parts ...[]byte) {
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	conn.Write(join(parts...))
}

func chunks(file []byte) []byte {
	var b []byte
	for len(file) > 0 {
		n := min(len(file), protocol.ChunkMax)
		b = append(b, chunk(0, file[:n])...)
		file = file[n:]
	}
	return b
}

// receive reads n bytes, or what comes without a pause.
func receive(conn *net.UnixConn, n int64) {
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	io.CopyN(io.Discard, conn, n)
}

var cancelWord = words(protocol.CancelWord)

var inMoments = []moment{
	{"after the call", func(c *net.UnixConn, call, _ []byte) { send(c, call) }},
	{"in the call", func(c *net.UnixConn, call, _ []byte) { send(c, call[:len(call)-2]) }},
	{"in the first chunk", func(c *net.UnixConn, call, f []byte) { send(c, call, chunks(f)[:5000]) }},
	{"in the length of a chunk", func(c *net.UnixConn, call, f []byte) { send(c, call, chunks(f[:80000]), []byte{0, 0}) }},
	{"in a chunk", func(c *net.UnixConn, call, f []byte) { b := chunks(f); send(c, call, b[:len(b)-99]) }},
	{"before the end", func(c *net.UnixConn, call, f []byte) { send(c, call, chunks(f)) }},
	{"before the reply", func(c *net.UnixConn, call, f []byte) { send(c, call, chunks(f), chunk(0, nil)) }},
	{"in the reply", func(c *net.UnixConn, call, f []byte) { send(c, call, chunks(f), chunk(0, nil)); receive(c, 10) }},
	{"after it has given up", func(c *net.UnixConn, call, f []byte) { send(c, call, chunks(f[:80000]), chunk(1, nil)) }},
	{"after a CANCEL of its own", func(c *net.UnixConn, call, f []byte) { send(c, call, cancelWord, chunks(f[:80000]), cancelWord) }},
	{"writing, but still reading", func(c *net.UnixConn, call, f []byte) { send(c, call, chunks(f)); c.CloseWrite(); receive(c, 1<<20) }},
}

var outMoments = []moment{
	{"after the call", func(c *net.UnixConn, call, _ []byte) { send(c, call) }},
	{"in the reply", func(c *net.UnixConn, call, _ []byte) { send(c, call); receive(c, 10) }},
	{"in the first chunk", func(c *net.UnixConn, call, _ []byte) { send(c, call); receive(c, 1000) }},
	{"in a later chunk", func(c *net.UnixConn, call, _ []byte) { send(c, call); receive(c, 3<<20) }},
	{"after CANCEL", func(c *net.UnixConn, call, _ []byte) { send(c, call); receive(c, 1000); send(c, cancelWord) }},
	{"after CANCEL with the call", func(c *net.UnixConn, call, _ []byte) { send(c, call, cancelWord) }},
	{"after several CANCELs", func(c *net.UnixConn, call, _ []byte) {
		send(c, cancelWord, call, cancelWord, cancelWord)
		receive(c, 100)
		send(c, cancelWord)
	}},
	{"with chunks of its own", func(c *net.UnixConn, call, _ []byte) { send(c, call, chunk(0, make([]byte, 100)), chunk(0, nil)) }},
	{"writing, but still reading", func(c *net.UnixConn, call, _ []byte) { send(c, call); c.CloseWrite(); receive(c, 4<<20) }},
}

// TestDeath has libraries die in the middle of each transfer.
func TestDeath(t *testing.T) {
	known := 0
	for proc := range uint32(600) {
		p := rpc.Lookup(proc)
		if p == nil || p.Transfer == protocol.NoFile {
			continue
		}
		args, moments := arguments[proc], outMoments
		if args != nil {
			known++
		}
		var file []byte
		if p.Transfer == protocol.FileIn {
			moments, file = inMoments, content(proc)
		}
		t.Run(p.Name, func(t *testing.T) {
			s := newSubject(t)
			call := message(proc, 0, words(1, 'x'<<24))
			if args != nil {
				call = callOf(proc, args)
			}
			// What starts with the first program stays until the kernel ends.
			for _, m := range moments {
				s.connect(func(conn *net.UnixConn) { m.do(conn, call, file) })
			}
			s.prepare()
			before := rig.Take()
			for _, m := range moments {
				if s.connect(func(conn *net.UnixConn) { m.do(conn, call, file) }); t.Failed() {
					t.Fatal(m.name)
				}
			}
			s.prepare()
			if more := rig.Leaked(before); more != "" {
				t.Errorf("left %s", more)
			}
		})
	}
	if known != len(arguments) {
		t.Errorf("%d procedures of %d", known, len(arguments))
	}
}
