package nbd

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// scripted is a connection to a peer that says what it is told, whatever it hears.
type scripted struct {
	says  *bytes.Reader
	heard bytes.Buffer
}

func (s *scripted) Read(p []byte) (int, error)       { return s.says.Read(p) }
func (s *scripted) Write(p []byte) (int, error)      { return s.heard.Write(p) }
func (s *scripted) Close() error                     { return nil }
func (s *scripted) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (s *scripted) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (s *scripted) SetDeadline(time.Time) error      { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

// answered has a connection get answers to a read of 64 bytes at 4096 (cookie 1), a write of
// 16 bytes (2) and a block status of 64 KiB (3), and returns these and why it ended.
func answered(answers []byte) (c *conn, read, write, status *request) {
	s := newSession(&scripted{says: bytes.NewReader(answers)})
	e := newExport("")
	e.Size = 1 << 20
	c = newConn(s, e, time.Hour)
	c.structured, c.status, c.context = true, true, 7
	read = &request{typ: cmdRead, off: 4096, length: 64, data: make([]byte, 64)}
	write = &request{typ: cmdWrite, length: 16, data: make([]byte, 16)}
	status = &request{typ: cmdBlockStatus, length: 64 << 10}
	for _, q := range []*request{read, write, status} {
		q.done = make(chan struct{})
		q.got.size = int64(q.length)
		c.enlist(q)
	}
	c.receive()
	return c, read, write, status
}

// structured returns a chunk.
func structured(flags, typ uint16, cookie uint64, payload string) string {
	b := be.AppendUint32(nil, magicStructured)
	b = be.AppendUint16(b, flags)
	b = be.AppendUint16(b, typ)
	b = be.AppendUint64(b, cookie)
	b = be.AppendUint32(b, uint32(len(payload)))
	return string(b) + payload
}

func u64(n uint64) string { return string(be.AppendUint64(nil, n)) }
func u32(n uint32) string { return string(be.AppendUint32(nil, n)) }

var badAnswers = map[string]string{
	"garbage":               "HTTP/1.1 200 OK\r\n\r\n",
	"unknown cookie":        structured(1, chunkNone, 9, ""),
	"simple to a read":      u32(magicSimple) + u32(0) + u64(1) + strings.Repeat("x", 64),
	"data before":           structured(1, chunkData, 1, u64(4095)+strings.Repeat("x", 64)),
	"data past":             structured(1, chunkData, 1, u64(4097)+strings.Repeat("x", 64)),
	"data far":              structured(1, chunkData, 1, u64(1<<63)+strings.Repeat("x", 64)),
	"data wraps":            structured(1, chunkData, 1, u64(1<<64-1)+strings.Repeat("x", 64)),
	"no data":               structured(1, chunkData, 1, u64(4096)),
	"no offset":             structured(1, chunkData, 1, "xx"),
	"too little":            structured(1, chunkData, 1, u64(4096)+strings.Repeat("x", 63)),
	"nothing":               structured(1, chunkNone, 1, ""),
	"none with more":        structured(1, chunkNone, 1, "x"),
	"none but not the last": structured(0, chunkNone, 1, ""),
	"twice":                 structured(0, chunkData, 1, u64(4096)+strings.Repeat("x", 40)) + structured(1, chunkData, 1, u64(4130)+strings.Repeat("x", 30)),
	"twice the same":        structured(0, chunkData, 1, u64(4096)+strings.Repeat("x", 32)) + structured(1, chunkData, 1, u64(4096)+strings.Repeat("x", 32)),
	"hole over data":        structured(0, chunkData, 1, u64(4100)+strings.Repeat("x", 32)) + structured(1, chunkHole, 1, u64(4096)+u32(64)),
	"hole of nothing":       structured(1, chunkHole, 1, u64(4096)+u32(0)),
	"hole too large":        structured(1, chunkHole, 1, u64(4096)+u32(1<<32-1)),
	"hole too short":        structured(1, chunkHole, 1, u64(4096)),
	"data for a write":      structured(1, chunkData, 2, u64(0)+"x"),
	"status for a read":     structured(1, chunkStatus, 1, u32(7)+u32(64)+u32(0)),
	"status elsewhere":      structured(1, chunkStatus, 3, u32(8)+u32(64)+u32(0)),
	"status of nothing":     structured(1, chunkStatus, 3, u32(7)+u32(0)+u32(0)),
	"status of too much":    structured(1, chunkStatus, 3, u32(7)+u32(64<<10)+u32(0)+u32(1)+u32(0)),
	"status twice":          structured(0, chunkStatus, 3, u32(7)+u32(64)+u32(0)) + structured(1, chunkStatus, 3, u32(7)+u32(64)+u32(0)),
	"status empty":          structured(1, chunkStatus, 3, u32(7)),
	"no status":             structured(1, chunkNone, 3, ""),
	"unknown chunk":         structured(1, 77, 1, "x"),
	"short error":           structured(1, chunkError, 1, "xx"),
	"long text":             structured(1, chunkError, 1, u32(5)+"\xff\xffx"),
	"huge error":            structured(1, chunkError, 1, strings.Repeat("x", 70000)),
}

// A server that does not keep to the protocol is an error, and never other bytes.
func TestBadAnswers(t *testing.T) {
	for name, answer := range badAnswers {
		c, read, write, status := answered([]byte(answer))
		if !errors.Is(c.err, ErrProtocol) {
			t.Errorf("%s: %v", name, c.err)
		}
		for _, q := range []*request{read, write, status} {
			if q.lost == nil {
				t.Errorf("%s: a %s was answered", name, command(q.typ))
			}
		}
	}
}

// What a server may do.
func TestGoodAnswers(t *testing.T) {
	c, read, write, status := answered([]byte(
		structured(0, chunkData, 1, u64(4150)+strings.Repeat("c", 10)) +
			structured(0, chunkStatus, 3, u32(7)+u32(100)+u32(3)+u32(1<<20)+u32(0)) +
			structured(0, chunkHole, 1, u64(4106)+u32(44)) +
			u32(magicSimple) + u32(28) + u64(2) +
			structured(1, chunkData, 1, u64(4096)+strings.Repeat("a", 10)) +
			structured(1, chunkNone, 3, "")))
	if c.err == nil || errors.Is(c.err, ErrProtocol) {
		t.Errorf("it ends with %v", c.err)
	}
	want := strings.Repeat("a", 10) + strings.Repeat("\x00", 44) + strings.Repeat("c", 10)
	if read.lost != nil || read.err != nil || string(read.data) != want {
		t.Errorf("read %q, %v, %v", read.data, read.err, read.lost)
	}
	if write.lost != nil || write.err == nil || write.err.Error() != "no space left on device" {
		t.Errorf("write: %v, %v", write.err, write.lost)
	}
	if status.lost != nil || len(status.status) != 2 {
		t.Errorf("%+v, %v", status.status, status.lost)
	}
	_, read, _, _ = answered([]byte(structured(0, chunkErrorOffset, 1, u32(5)+"\x00\x04\nbad"+u64(4096)) + structured(1, chunkNone, 1, "")))
	if read.lost != nil || read.err == nil || read.err.Error() != "input/output error (the server says: bad)" {
		t.Errorf("%v, %v", read.err, read.lost)
	}
}

func TestCoverage(t *testing.T) {
	c := coverage{size: 100}
	for _, p := range [][3]int64{{10, 20, 1}, {30, 40, 1}, {20, 30, 1}, {9, 11, 0}, {39, 41, 0}, {15, 16, 0}, {0, 100, 0}, {50, 60, 1}, {40, 50, 1}, {0, 10, 1}, {59, 60, 0}, {60, 100, 1}, {0, 1, 0}} {
		if err := c.add(p[0], p[1]); (err == nil) != (p[2] == 1) {
			t.Errorf("%v: %v", p, err)
		}
	}
	if !c.whole() || len(c.parts) != 1 {
		t.Errorf("%+v", c)
	}
	c = coverage{size: 1 << 20}
	var err error
	for i := int64(0); err == nil && i < 1<<20; i += 2 {
		err = c.add(i, i+1)
	}
	if err == nil {
		t.Error("any number of pieces")
	}
}

// FuzzAnswers: whatever a server answers, a read that succeeds has all of its bytes.
func FuzzAnswers(f *testing.F) {
	for _, a := range badAnswers {
		f.Add([]byte(a))
	}
	f.Add([]byte(structured(0, chunkHole, 1, u64(4096)+u32(32)) + structured(1, chunkData, 1, u64(4128)+strings.Repeat("x", 32))))
	f.Fuzz(func(t *testing.T, answers []byte) {
		_, read, write, status := answered(answers)
		if read.lost == nil && read.err == nil && !read.got.whole() {
			t.Error("a read in part")
		}
		for _, q := range []*request{read, write, status} {
			select {
			case <-q.done:
			default:
				t.Error("a request is left")
			}
		}
	})
}

// hello is a server's part of a handshake that is as it should be.
func hello(t testing.TB) []byte {
	client, server := net.Pipe()
	var said bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := &Server{Shares: []Share{{Name: "x", Description: "text", Device: newMemory(1 << 20)}}}
		s.ServeConn(context.Background(), recorded{server, &said})
	}()
	s := newSession(client)
	if err := s.greet(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.list(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.transmission("x", time.Second); err != nil {
		t.Fatal(err)
	}
	client.Close()
	<-done
	return said.Bytes()
}

type recorded struct {
	net.Conn
	said *bytes.Buffer
}

func (r recorded) Write(p []byte) (int, error) {
	r.said.Write(p)
	return r.Conn.Write(p)
}

// FuzzHandshake: whatever a server says first, the client ends, with an export that can be.
func FuzzHandshake(f *testing.F) {
	f.Add(hello(f))
	f.Add([]byte("NBDMAGICIHAVEOPT\x00\x00" + u64(1<<20) + "\x00\x01" + strings.Repeat("\x00", 124)))
	f.Fuzz(func(t *testing.T, says []byte) {
		s := newSession(&scripted{says: bytes.NewReader(says)})
		if s.greet() != nil {
			return
		}
		if list, err := s.list(); err == nil && len(list) > maxExports {
			t.Errorf("%d exports", len(list))
		}
		c, err := s.transmission("x", time.Second)
		if err != nil {
			return
		}
		if e := c.export; e.Size < 0 || e.usable() > e.Size || e.MinBlock == 0 || e.MaxBlock < e.MinBlock || e.MaxBlock > maxPayload {
			t.Errorf("%+v", e)
		}
	})
}

// FuzzServer: whatever a client says, the server ends, and writes only inside of what may be
// written.
func FuzzServer(f *testing.F) {
	start := string(be.AppendUint32(nil, 3))
	var b bytes.Buffer
	writeOption(&b, optStructuredReply, nil)
	writeOption(&b, optSetMeta, (&metaRequest{"", []string{contextAllocation}}).append(nil))
	writeOption(&b, optGo, (&infoRequest{"", []uint16{infoName}}).append(nil))
	for _, h := range []header{{0, cmdRead, 1, 0, 512}, {0, cmdWrite, 2, 8000, 4}, {cmdFlagFUA, cmdTrim, 3, 0, 4096}, {0, cmdWriteZeroes, 4, 1, 1}, {0, cmdBlockStatus, 5, 0, 9000}, {0, cmdFlush, 6, 0, 0}} {
		b.Write(h.append(nil))
		if h.typ == cmdWrite {
			b.WriteString("abcd")
		}
	}
	f.Add([]byte(start+b.String()), true)
	f.Add([]byte(start+b.String()), false)
	b.Reset()
	writeOption(&b, optList, nil)
	writeOption(&b, optListMeta, (&metaRequest{"x", nil}).append(nil))
	writeOption(&b, optInfo, (&infoRequest{"x", nil}).append(nil))
	writeOption(&b, optStartTLS, nil)
	writeOption(&b, optExportName, []byte("x"))
	f.Add([]byte(start+b.String()), true)
	f.Fuzz(func(t *testing.T, says []byte, writable bool) {
		m := newMemory(9000)
		s := &Server{Shares: []Share{{Name: "x", Device: m, Writable: writable}}}
		s.ServeConn(context.Background(), &scripted{says: bytes.NewReader(says)})
		if !writable && (!bytes.Equal(m.content(), make([]byte, 9000)) || m.flushCount() > 0) {
			t.Error("written to")
		}
	})
}

// The words of a peer are shown in one line.
func TestText(t *testing.T) {
	for in, want := range map[string]string{"a\nb\x1b[2Jc": "a b [2Jc", "  ": "  ", "\xff\xfe": "", strings.Repeat("x", 600): strings.Repeat("x", 500)} {
		if got := text([]byte(in)); got != want {
			t.Errorf("%s: %q", hex.EncodeToString([]byte(in)), got)
		}
	}
}
