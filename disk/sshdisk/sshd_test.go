package sshdisk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// What OpenSSH's server has is read and written.
func TestServer(t *testing.T) {
	h := sshd(t)
	want := content(3<<20 + 123)
	path := write1(t, h.dir+"/disk image?.img", want)
	r, err := Open(context.Background(), h.url(path), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := all(r, r.Size()); err != nil || !bytes.Equal(got, want) {
		t.Fatal(err)
	}
	if _, err := r.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed: %v", err)
	}

	w := dialTo(t, h.address(path), Options{Writable: true})
	if w.link.Conn().syncer == nil {
		t.Error("the server cannot flush")
	}
	random := rand.New(rand.NewPCG(3, 3))
	for range 100 {
		off, n := random.IntN(len(want)+50000), 1+random.IntN(100000)
		p := content(n)
		if grown := off + n - len(want); grown > 0 {
			want = append(want, make([]byte, grown)...)
		}
		copy(want[off:], p)
		if _, err := w.WriteAt(p, int64(off)); err != nil {
			t.Fatal(err)
		}
		at := random.IntN(len(want) - 1000)
		q := make([]byte, 1000)
		if _, err := w.ReadAt(q, int64(at)); err != nil || !bytes.Equal(q, want[at:at+1000]) {
			t.Fatalf("at %d: %v", at, err)
		}
	}
	if err := w.Resize(int64(len(want) - 777)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt([]byte("last"), 5); err != nil {
		t.Fatal(err)
	}
	if copy(want[5:], "last"); w.Size() != int64(len(want)-777) {
		t.Errorf("%d bytes", w.Size())
	}
	if err := w.Close(); err != nil || w.unflushed.Any() {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want[:len(want)-777]) {
		t.Error("the file is another one", err)
	}
}

// What cannot be opened, and why.
func TestRefused(t *testing.T) {
	h := sshd(t)
	file := write1(t, h.dir+"/file", content(1000))
	known, _ := os.ReadFile(h.home + "/.ssh/known_hosts")
	_, other, otherKey := newKey(t, "")
	key, _ := os.ReadFile(h.home + "/.ssh/id_ed25519")
	_, _, locked := newKey(t, "secret")
	for _, c := range []struct {
		name, path, known string
		key               []byte
		want              error
		text              string
	}{
		{name: "not there", path: file + "x", want: fs.ErrNotExist},
		{name: "a folder", path: h.dir, want: syscall.EISDIR},
		{name: "a device", path: "/dev/null", want: disk.ErrNotDisk},
		{name: "unknown host", known: "# nobody\n", text: "connect once with: ssh -p " + h.port},
		{name: "no hosts at all", known: "-", text: "is not known: its key ssh-ed25519 SHA256:"},
		{name: "another host", known: knownhosts.Line([]string{"127.0.0.1:" + h.port}, other.PublicKey()) + "\n", want: ErrHostKey, text: "known_hosts:1"},
		{name: "revoked", known: "@revoked * " + string(ssh.MarshalAuthorizedKey(h.key.PublicKey())) + string(known), want: ErrHostKey},
		{name: "another key", key: otherKey, want: ErrDenied, text: "with 1 keys"},
		{name: "a passphrase", key: locked, want: ErrDenied, text: "has a passphrase (ssh-add "},
	} {
		write1(t, h.home+"/.ssh/known_hosts", known)
		write1(t, h.home+"/.ssh/id_ed25519", key)
		if c.known == "-" {
			os.Remove(h.home + "/.ssh/known_hosts")
		} else if c.known != "" {
			write1(t, h.home+"/.ssh/known_hosts", []byte(c.known))
		}
		if c.key != nil {
			write1(t, h.home+"/.ssh/id_ed25519", c.key)
		}
		if c.path == "" {
			c.path = file
		}
		d, err := Open(context.Background(), h.url(c.path), disk.Options{})
		if err == nil {
			d.Close()
		}
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Who one is may be in the agent, and where the host is in the configuration.
func TestConfig(t *testing.T) {
	h := sshd(t)
	want := content(100000)
	file := write1(t, h.dir+"/file", want)
	key, err := os.ReadFile(h.home + "/.ssh/id_ed25519")
	if err != nil {
		t.Fatal(err)
	}
	private, err := ssh.ParseRawPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name, url string) {
		t.Helper()
		u := h.url(file)
		u.Host = url
		d, err := Open(context.Background(), u, disk.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		defer d.Close()
		if got, err := all(d, d.Size()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A key that is elsewhere, under another name, through another host.
	os.Rename(h.home+"/.ssh/id_ed25519", h.home+"/.ssh/mine")
	write1(t, h.home+"/.ssh/config", fmt.Appendf(nil, `
Match exec "false"
  Port 1
Host box inner
  HostName 127.0.0.1
  Port %s
  User %s
  IdentityFile ~/.ssh/mine
Match host inner
  Include more
Host *
  IdentitiesOnly yes
`, h.port, login(t)))
	write1(t, h.home+"/.ssh/more", fmt.Appendf(nil, "ProxyJump box,%s@box\nHost box\nPort 2\nInclude other*", login(t)))
	read("configuration", "box")
	read("jumps", "inner")

	keyring := agent.NewKeyring()
	if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", h.home+"/agent")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(keyring, c)
		}
	}()
	os.Remove(h.home + "/.ssh/mine")
	os.Remove(h.home + "/.ssh/config")
	t.Setenv("SSH_AUTH_SOCK", h.home+"/agent")
	read("agent", "127.0.0.1:"+h.port)
	write1(t, h.home+"/.ssh/config", []byte("IdentitiesOnly yes\n"))
	if _, err := Open(context.Background(), h.url(file), disk.Options{}); !errors.Is(err, ErrDenied) {
		t.Errorf("a key that is not named: %v", err)
	}
}

// A server that crashes has forgotten what was not flushed: it is written again.
func TestCrash(t *testing.T) {
	h := sshd(t)
	want := content(1 << 20)
	path := write1(t, h.dir+"/file", want)
	d := dialTo(t, h.address(path), Options{Writable: true})
	for i := range 5 {
		before, _ := os.ReadFile(path)
		for range 5 {
			off := rand.IntN(len(want))
			p := bytes.Repeat([]byte{byte(i + 1)}, 1+rand.IntN(50000))
			if _, err := d.WriteAt(p, int64(off)); err != nil {
				t.Fatal(err)
			}
			if grown := off + len(p) - len(want); grown > 0 {
				want = append(want, make([]byte, grown)...)
			}
			copy(want[off:], p)
		}
		d.link.Conn().raw.Close()
		write1(t, path, before)
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, want) {
			t.Fatal("what was flushed is not there")
		}
	}
}

// Close does not wait long for a server that is gone, and says what may be lost.
func TestCloseGone(t *testing.T) {
	h := sshd(t)
	d, err := Dial(context.Background(), h.address(write1(t, h.dir+"/file", content(100000))), Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt(make([]byte, 1000), 5000); err != nil {
		t.Fatal(err)
	}
	h.stop()
	d.link.Conn().raw.Close()
	start := time.Now()
	err = d.Close()
	if !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "1000 bytes between 5000 and 6000") || time.Since(start) > DefaultPatience/2 {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

// An image in a format of its own is written to there, and grows.
func TestQcow2(t *testing.T) {
	h := sshd(t)
	path := h.dir + "/disk.qcow2"
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", path, "8M").CombinedOutput(); err != nil {
		t.Skipf("qemu-img: %v %s", err, out)
	}
	r := source.Known()
	r.Transports = append(r.Transports, source.Transport{Schemes: []string{"ssh"}, Open: source.Cached(Open)})
	want := make([]byte, 8<<20)
	for range 2 {
		d, err := r.Open(context.Background(), h.url(path).String(), source.Options{Writable: true})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			off, p := rand.IntN(7<<20), content(1+rand.IntN(1<<20))
			copy(want[off:], p)
			if _, err := d.WriteAt(p, int64(off)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := all(d, d.Size()); err != nil || !bytes.Equal(got, want) {
			t.Fatal("what is read is not what was written", err)
		}
		if err := errors.Join(d.Flush(), d.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "-q", path}, {"compare", "-q", path, write1(t, h.dir+"/want", want)}} {
		if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
			t.Errorf("qemu-img %s: %v %s", args[0], err, out)
		}
	}
}
