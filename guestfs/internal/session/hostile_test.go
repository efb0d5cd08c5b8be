package session

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// exchange sends bytes and reads whatever comes back, until the server has no more to say
// to who says no more.
func (s *subject) exchange(b []byte) (reply []byte, err error) {
	s.t.Helper()
	err = s.connect(func(conn *net.UnixConn) {
		done := make(chan bool)
		go func() {
			conn.SetReadDeadline(time.Now().Add(deadline))
			reply, _ = io.ReadAll(io.LimitReader(conn, 256<<20))
			close(done)
		}()
		conn.SetWriteDeadline(time.Now().Add(deadline))
		conn.Write(b)
		conn.CloseWrite()
		<-done
	})
	return reply, err
}

// TestHostile sends what no library would. The server ends the session, or answers, and
// goes on with the next library.
func TestHostile(t *testing.T) {
	ping := callOf(rpc.ProcPingDaemon, &rpc.None{})
	upload := callOf(rpc.ProcUpload, &rpc.UploadArgs{Remotefilename: "/up"})
	download := callOf(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: "/dir/sub/keep"})
	header := func(at int, w uint32) []byte {
		m := bytes.Clone(ping)
		copy(m[4+at:], words(w))
		return m
	}
	for _, test := range []struct {
		name string
		send []byte
	}{
		{"nothing", nil},
		{"one byte", []byte{0}},
		{"zeros", make([]byte, 1<<20)},
		{"ones", bytes.Repeat([]byte{0xff}, 1<<20)},
		{"huge length", words(math.MaxInt32)},
		{"just too long", words(protocol.MessageMax + 1)},
		{"as long as can be, cut off", join(words(protocol.MessageMax), make([]byte, 1000))},
		{"as long as can be", join(words(protocol.MessageMax), make([]byte, protocol.MessageMax))},
		{"LAUNCH", join(words(protocol.LaunchWord), ping)},
		{"progress", join(words(protocol.ProgressWord), make([]byte, 24), ping)},
		{"only CANCEL", bytes.Repeat(cancelWord, 100000)},
		{"CANCEL between calls", bytes.Repeat(join(cancelWord, ping, cancelWord), 100)},
		{"wrong program", header(0, 1)},
		{"wrong version", header(4, 99)},
		{"no procedure", header(8, math.MaxUint32)},
		{"a reply", header(12, 1)},
		{"no direction", header(12, 7)},
		{"wrong serial", join(header(16, 0), header(16, 0), header(16, math.MaxUint32))},
		{"unknown options", header(28, math.MaxUint32)},
		{"a status", header(36, 1)},
		{"chunk without a call", join(chunk(0, []byte("data")), chunk(0, nil))},
		{"chunk after a call without a file", join(ping, chunk(0, []byte("data")), ping)},
		{"end without a call", chunk(0, nil)},
		{"call in a file", join(upload, chunk(0, []byte("data")), upload)},
		{"LAUNCH in a file", join(upload, chunk(0, []byte("data")), words(protocol.LaunchWord))},
		{"CANCEL in a file", join(upload, cancelWord, chunk(0, []byte("data")), cancelWord, chunk(0, nil), ping)},
		{"chunk of 1 MiB", join(upload, chunk(0, make([]byte, 1<<20)))},
		{"chunk with a flag", join(upload, chunk(2, []byte("data")))},
		{"chunk with a lying length", join(upload, words(12, 0, math.MaxUint32, 0))},
		{"end and data", join(upload, chunk(1, []byte("data")), ping)},
		{"two ends", join(upload, chunk(0, nil), chunk(0, nil))},
		{"many downloads", bytes.Repeat(join(download, cancelWord), 200)},
		{"list without end", message(rpc.ProcEchoDaemon, 0, words(math.MaxUint32))},
		{"long list", message(rpc.ProcEchoDaemon, 0, join(words(900000), make([]byte, 3600000)))},
		{"string without end", message(rpc.ProcTouch, 0, words(math.MaxUint32))},
		{"string longer than the message", message(rpc.ProcTouch, 0, join(words(100), []byte("/abc")))},
		{"string with a zero", message(rpc.ProcTouch, 0, join(words(4), []byte("/a\x00b")))},
		{"string that is no text", message(rpc.ProcTouch, 0, join(words(4), []byte("/\xff\xfe\xfd")))},
		{"padding that is not zero", message(rpc.ProcTouch, 0, join(words(2), []byte("/axx")))},
		{"too much", message(rpc.ProcTouch, 0, join(words(4), []byte("/abc"), make([]byte, 4096)))},
		{"path without end", callOf(rpc.ProcMkdirP, &rpc.MkdirPArgs{Path: "/" + string(bytes.Repeat([]byte("a/"), 1<<20))})},
		{"long name", callOf(rpc.ProcTouch, &rpc.TouchArgs{Path: "/" + string(bytes.Repeat([]byte("n"), 1<<20))})},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSubject(t)
			if _, err := s.exchange(test.send); err != nil {
				t.Log(err)
			}
			s.prepare()
		})
	}
}

// harmless reports whether a procedure may be called with anything in TestNoise.
func harmless(proc uint32) bool { return proc != rpc.ProcSleep && proc != rpc.ProcDebug }

// noise is a session of calls, chunks and words in any order, some of them damaged.
func noise(r *rand.Rand) []byte {
	var b []byte
	var known [][]byte
	for proc, a := range arguments {
		known = append(known, callOf(proc, a))
	}
	for range 1 + r.IntN(12) {
		var m []byte
		switch r.IntN(8) {
		case 0, 1:
			m = known[r.IntN(len(known))]
		case 2:
			proc := r.Uint32N(520)
			if !harmless(proc) {
				continue
			}
			args := make([]byte, r.IntN(64)&^3)
			for i := range args {
				args[i] = byte(r.Uint32()) & byte(r.Uint32()) & byte(r.Uint32())
			}
			m = message(proc, uint64(r.IntN(4)), args)
		case 3, 4:
			m = chunk(0, make([]byte, 1+r.IntN(protocol.ChunkMax)))
		case 5:
			m = chunk(uint32(r.IntN(2)), nil)
		case 6:
			m = cancelWord
		case 7:
			m = callOf(rpc.ProcPingDaemon, &rpc.None{})
		}
		if r.IntN(10) == 0 {
			m = bytes.Clone(m)
			m[r.IntN(len(m))] ^= 1 << r.IntN(8)
		}
		if r.IntN(20) == 0 {
			m = m[:r.IntN(len(m))]
		}
		b = append(b, m...)
	}
	return b
}

// TestNoise sends sessions of noise to one server. Each is made of its number, so that
// one that fails can be sent again.
func TestNoise(t *testing.T) {
	s := newSubject(t)
	end := time.Now().Add(3 * time.Second)
	n := uint64(0)
	for ; time.Now().Before(end); n++ {
		s.exchange(noise(rand.New(rand.NewPCG(n, 0))))
		if t.Failed() {
			t.Fatalf("session %d", n)
		}
	}
	s.prepare()
	t.Logf("%d sessions", n)
}

// TestUnread has a library that sends and never reads: the server must not collect its
// answers, nor what comes.
func TestUnread(t *testing.T) {
	echo := callOf(rpc.ProcEchoDaemon, &rpc.EchoDaemonArgs{Words: []string{string(make([]byte, 1<<20))}})
	download := callOf(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: "/big"})
	for name, m := range map[string][]byte{
		"pings":     bytes.Repeat(callOf(rpc.ProcPingDaemon, &rpc.None{}), 1000),
		"echoes":    echo,
		"downloads": download,
		"cancels":   bytes.Repeat(cancelWord, 100000),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubject(t)
			runtime.GC()
			peak, stop := watchHeap()
			s.connect(func(conn *net.UnixConn) {
				conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				for range 2000 {
					if _, err := conn.Write(m); err != nil {
						break
					}
				}
			})
			stop()
			if mib := peak.Load() >> 20; mib > 64 {
				t.Errorf("%d MiB of memory", mib)
			}
			s.prepare()
		})
	}
}

// watchHeap notes how much the heap grows, in bytes, until stop is called.
func watchHeap() (peak *atomic.Int64, stop func()) {
	peak = &atomic.Int64{}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	start := heap()
	quit, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			peak.Store(max(peak.Load(), heap()-start))
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return peak, func() { close(quit); <-done }
}

// FuzzServer sends any bytes to one server.
func FuzzServer(f *testing.F) {
	for n := range uint64(8) {
		f.Add(noise(rand.New(rand.NewPCG(n, 1))))
	}
	s := newSubject(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		sub := *s
		sub.t = t
		sub.exchange(b)
	})
}
