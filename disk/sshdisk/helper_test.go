package sshdisk

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// content is a file of the size that a test wants, which looks random.
func content(size int) []byte {
	b := make([]byte, size)
	r := mrand.New(mrand.NewPCG(1, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func write1(t testing.TB, path string, b []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newKey returns a key, with what its file has.
func newKey(t testing.TB, passphrase string) (any, ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	} else {
		block, err = ssh.MarshalPrivateKey(private, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return private, signer, pem.EncodeToMemory(block)
}

// A host is one with a server of SSH, and a home folder of a client that knows it.
type host struct {
	port string
	home string // of the client
	dir  string // with files
	key  ssh.Signer
	stop func() // ends the server, for those that can be ended
}

func login(t testing.TB) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

// client makes a home folder for the time of the test.
func (h *host) client(t testing.TB, key []byte) {
	t.Helper()
	h.home, h.dir = t.TempDir(), t.TempDir()
	t.Setenv("HOME", h.home)
	t.Setenv("SSH_AUTH_SOCK", "")
	t.Setenv(PasswordVariable, "")
	os.Unsetenv(PasswordVariable)
	write1(t, h.home+"/.ssh/id_ed25519", key)
	write1(t, h.home+"/.ssh/known_hosts", []byte(knownhosts.Line([]string{"127.0.0.1:" + h.port}, h.key.PublicKey())+"\n"))
}

// url is that of a file of the host.
func (h *host) url(path string) *url.URL {
	return &url.URL{Scheme: "ssh", Host: "127.0.0.1:" + h.port, Path: path}
}

func (h *host) address(path string) *Address {
	return &Address{Host: "127.0.0.1", Port: h.port, Path: path}
}

// sshd starts OpenSSH's server.
func sshd(t testing.TB) *host {
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skip("no sshd (Debian: openssh-server)")
	}
	if os.Getuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755)
	}
	dir := t.TempDir()
	_, hostKey, private := newKey(t, "")
	_, ours, key := newKey(t, "")
	h := &host{port: freePort(t), key: hostKey}
	h.client(t, key)
	write1(t, dir+"/host", private)
	write1(t, dir+"/authorized", ssh.MarshalAuthorizedKey(ours.PublicKey()))
	c := fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nStrictModes no\nUsePAM no\nPidFile none\n"+
		"PasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n", h.port, dir, dir)
	var log bytes.Buffer
	cmd := exec.Command(program, "-D", "-e", "-f", write1(t, dir+"/config", []byte(c)))
	cmd.Stderr, cmd.WaitDelay = &log, 10*time.Millisecond // sessions have it, too
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.stop = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			t.Logf("sshd: %s", log.Bytes())
		}
	})
	for range 200 {
		c, err := net.Dial("tcp", "127.0.0.1:"+h.port)
		if err == nil {
			c.Close()
			return h
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("sshd does not listen: %s", log.Bytes())
	return nil
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// A faulty is a server in this process, whose connections can be cut.
type faulty struct {
	*host
	l net.Listener
	// handlers serve files in place of those of this host, if they are not the zero value.
	handlers sftp.Handlers

	mu     sync.Mutex
	conns  map[net.Conn]bool // guarded by mu
	silent bool              // guarded by mu: nothing is answered any more
	away   bool              // guarded by mu: nobody is let in
	budget int               // guarded by mu: bytes after which a connection is cut, 0 for never
}

func newFaulty(t testing.TB) *faulty {
	t.Helper()
	_, hostKey, _ := newKey(t, "")
	_, ours, key := newKey(t, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	f := &faulty{host: &host{port: port, key: hostKey}, l: l, conns: map[net.Conn]bool{}}
	f.client(t, key)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(k.Marshal(), ours.PublicKey().Marshal()) {
			return nil, errors.New("another key")
		}
		return nil, nil
	}}
	config.AddHostKey(hostKey)
	t.Cleanup(f.cut)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			if f.away {
				c.Close()
			}
			f.conns[c] = true
			f.mu.Unlock()
			go f.serve(&limited{Conn: c, f: f}, config)
		}
	}()
	return f
}

// A limited is a connection of a faulty server.
type limited struct {
	net.Conn
	f    *faulty
	sent int
}

func (l *limited) Write(p []byte) (int, error) {
	l.f.mu.Lock()
	silent, budget := l.f.silent, l.f.budget
	l.f.mu.Unlock()
	if silent {
		return len(p), nil
	}
	if l.sent += len(p); budget > 0 && l.sent > budget {
		l.Close()
		return 0, io.ErrClosedPipe
	}
	return l.Conn.Write(p)
}

func (f *faulty) set(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// cut ends all connections.
func (f *faulty) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		c.Close()
	}
	clear(f.conns)
}

func (f *faulty) serve(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	s, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	defer s.Close()
	go ssh.DiscardRequests(requests)
	for n := range channels {
		ch, requests, err := n.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				r.Reply(r.Type == "subsystem", nil)
			}
		}()
		go func() {
			defer ch.Close()
			if f.handlers.FileGet != nil {
				sftp.NewRequestServer(ch, f.handlers).Serve()
			} else if s, err := sftp.NewServer(ch); err == nil {
				s.Serve()
			}
		}()
	}
}

func dialTo(t testing.TB, a *Address, o Options) *Device {
	t.Helper()
	d, err := Dial(context.Background(), a, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// all reads a device to its end.
func all(d io.ReaderAt, size int64) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(d, 0, size))
}
