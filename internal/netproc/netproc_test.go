package netproc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/landlock"
	"github.com/unboot/unboot/internal/netproc/wire"
)

// TestMain builds the program, as "make" does.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "netproc-")
	if err != nil {
		panic(err)
	}
	path := filepath.Join(dir, "network")
	build := exec.Command("go", "build", "-o", path, "./child")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as the Makefile: confined, it finds no loader
	if out, err := build.CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		panic(err)
	}
	os.Setenv(Variable, path)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// A wireLink is the guest's end: packets that a test makes.
type wireLink struct{ in, out chan []byte }

func (l wireLink) Read(p []byte) (int, error) {
	b, ok := <-l.in
	if !ok {
		return 0, io.EOF
	}
	return copy(p, b), nil
}

func (l wireLink) Write(p []byte) (int, error) {
	l.out <- append([]byte(nil), p...)
	return len(p), nil
}

// checksum is that of RFC 1071.
func checksum(b []byte) []byte {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return []byte{^byte(sum >> 8), ^byte(sum)}
}

// packet returns an IPv4 packet from the guest.
func packet(to string, protocol byte, payload []byte) []byte {
	b := []byte{0x45, 0, 0, byte(20 + len(payload)), 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 2, 15}
	b = append(b, netip.MustParseAddr(to).AsSlice()...)
	copy(b[10:], checksum(b))
	return append(b, payload...)
}

func ping(to string) []byte {
	echo := []byte{8, 0, 0, 0, 0, 1, 0, 1, 'p', 'i', 'n', 'g'}
	copy(echo[2:], checksum(echo))
	return packet(to, 1, echo)
}

func start(t *testing.T, allow ...string) (*Network, chan wire.Refusal) {
	t.Helper()
	refused := make(chan wire.Refusal, 16)
	n, err := Start(allow, func(r wire.Refusal) { refused <- r })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n, refused
}

func TestServe(t *testing.T) {
	n, refused := start(t, "private")
	if len(n.Addresses()) == 0 || n.Addresses()[0].String() != "10.0.2.15/24" || n.Gateways()[0].String() != "10.0.2.2" || n.MTU() != 65535 ||
		!strings.HasPrefix(string(n.ResolvConf()), "nameserver 10.0.2.3\n") {
		t.Errorf("%+v", n.hello)
	}
	l := wireLink{make(chan []byte), make(chan []byte, 16)}
	served := make(chan error)
	go func() { served <- n.Serve(context.Background(), l) }()
	l.in <- ping("10.0.2.2")
	if b := <-l.out; len(b) != 32 || b[20] != 0 || !bytes.HasSuffix(b, []byte("ping")) {
		t.Errorf("%x", b)
	}
	l.in <- packet("169.254.169.254", 17, []byte{4, 0, 0, 80, 0, 8, 0, 0})
	if b := <-l.out; len(b) < 28 || b[9] != 1 || b[20] != 3 {
		t.Errorf("%x", b)
	}
	if r := <-refused; r.To.String() != "169.254.169.254:80" || r.Why == "" {
		t.Errorf("%+v", r)
	}
	close(l.in)
	if err := <-served; err != io.EOF {
		t.Error(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if n.cmd.ProcessState == nil {
		t.Error("the process is not waited for")
	}
}

// syn returns the packet that begins a connection.
func syn(to netip.AddrPort) []byte {
	h := make([]byte, 20)
	binary.BigEndian.PutUint16(h, 40000)
	binary.BigEndian.PutUint16(h[2:], to.Port())
	h[12], h[13], h[14] = 5<<4, 0x02, 0xff
	pseudo := append([]byte{10, 0, 2, 15}, to.Addr().AsSlice()...)
	copy(h[16:], checksum(append(append(pseudo, 0, 6, 0, byte(len(h))), h...)))
	return packet(to.Addr().String(), 6, h)
}

// The process makes connections, though it may not listen.
func TestConnect(t *testing.T) {
	host, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	n, _ := start(t, "host")
	l := wireLink{make(chan []byte), make(chan []byte, 16)}
	served := make(chan error)
	go func() { served <- n.Serve(context.Background(), l) }()
	l.in <- syn(netip.AddrPortFrom(netip.MustParseAddr("10.0.2.2"), host.Addr().(*net.TCPAddr).AddrPort().Port()))
	if b := <-l.out; len(b) < 40 || b[9] != 6 || b[33]&0x17 != 0x12 {
		t.Errorf("not an answer that accepts: %x", b)
	}
	close(l.in)
	<-served
}

func TestStartErrors(t *testing.T) {
	if _, err := Start([]string{"mirror.example"}, nil); err == nil || !strings.Contains(err.Error(), `"mirror.example"`) {
		t.Error(err)
	}
	t.Setenv(Variable, "/does/not/exist")
	if _, err := Start(nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	t.Setenv(Variable, "/bin/false")
	if _, err := Start(nil, nil); err == nil {
		t.Error("a program that says nothing is a network")
	}
}

// If the process dies, the link is still read, and the reason is said at the end.
func TestKilled(t *testing.T) {
	n, _ := start(t)
	l := wireLink{make(chan []byte), make(chan []byte, 16)}
	served := make(chan error)
	go func() { served <- n.Serve(context.Background(), l) }()
	n.cmd.Process.Kill()
	for range 100 {
		l.in <- ping("10.0.2.2")
	}
	close(l.in)
	if err := <-served; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Error(err)
	}
}

// The process has the socket, its output, and what the runtime of Go has opened: no more of
// this process's files, and no way to open others.
func TestConfined(t *testing.T) {
	secret, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	n, _ := start(t)
	dir := "/proc/" + strconv.Itoa(n.cmd.Process.Pid)
	list, err := os.ReadDir(dir + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		target, _ := os.Readlink(dir + "/fd/" + e.Name())
		kind, _, _ := strings.Cut(target, ":")
		if kind != "pipe" && kind != "socket" && kind != "anon_inode" && target != "/dev/null" {
			t.Errorf("descriptor %s is %s", e.Name(), target)
		}
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		t.Fatal(err)
	}
	if landlock.Available() && !strings.Contains(string(status), "NoNewPrivs:\t1\n") {
		t.Error("it may gain privileges")
	}
	if env, err := os.ReadFile(dir + "/environ"); err != nil || strings.Contains(string(env), "PATH=") {
		t.Errorf("its environment is %q, %v", env, err)
	}
}

// It ends when this side's socket is gone, as when this program is killed.
func TestParentGone(t *testing.T) {
	n, _ := start(t)
	n.conn.Close()
	done := make(chan struct{})
	go func() { <-n.lines; close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
	if err := unix.Kill(n.cmd.Process.Pid, 0); err != nil && err != unix.ESRCH {
		t.Error(err)
	}
}
