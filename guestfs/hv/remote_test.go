package hv

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/nbd"
)

// A disk of an NBD server is added by guestfish as it is anywhere else, for reading, for
// which the library makes an overlay, and for writing.
func TestGuestfishNBD(t *testing.T) {
	guestfish, err := exec.LookPath("guestfish")
	if err != nil {
		t.Skip("no guestfish: install libguestfs-tools")
	}
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("no qemu-img: install qemu-utils")
	}
	e := testEnv(t)
	raw, err := disk.OpenRaw(image(t), disk.Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	server := &nbd.Server{Shares: []nbd.Share{{Name: "", Device: raw, Writable: true}, {Name: "named", Device: raw, Writable: true}}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	socket := filepath.Join(t.TempDir(), "socket")
	tcp, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	unix, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var clients atomic.Int32
	go server.Serve(ctx, &counted{tcp, &clients})
	go server.Serve(ctx, &counted{unix, &clients})
	fish := func(args ...string) (string, error) {
		cmd := exec.Command(guestfish, args...)
		cmd.Env = append(os.Environ(), e.Variables()...)
		cmd.Env = append(cmd.Env, "LIBGUESTFS_CACHEDIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	at := tcp.Addr().String()
	for _, c := range [][]string{
		{"--format=raw", "-a", "nbd://" + at},
		{"--ro", "--format=raw", "-a", "nbd://" + at},
		// Without a format, the library takes the server for a file when it makes the overlay.
		{"--ro", "--format=raw", "-a", "nbd://" + at + "/named"},
		{"--format=raw", "-a", "nbd:///named?socket=" + socket},
	} {
		clients.Store(0)
		out, err := fish(append(c, "run", ":", "blockdev-getsize64", "/dev/sda", ":", "pwrite-device", "/dev/sda", "written", "512")...)
		if err != nil || !strings.Contains(out, "7") {
			t.Errorf("%q: %v\n%s", c, err, out)
		}
		// qemu-nbd has one client at a time, and may miss one that comes while another goes.
		if n := clients.Load(); n != 1 && c[0] != "--ro" { // qemu-img is one, too
			t.Errorf("%q: %d connections", c, n)
		}
		b := make([]byte, 7)
		if _, err := raw.ReadAt(b, 512); err != nil {
			t.Fatal(err)
		}
		if got, want := string(b) == "written", c[0] != "--ro"; got != want {
			t.Errorf("%q: what was written is in the image: %v", c, got)
		}
		if _, err := raw.WriteAt(make([]byte, 7), 512); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := fish("-v", "--format=raw", "-a", "nbd://"+at+"/nothing", "run"); err == nil || !strings.Contains(out, "no such export") {
		t.Errorf("%v\n%s", err, out)
	}
}

// counted is a listener that counts who comes.
type counted struct {
	net.Listener
	n *atomic.Int32
}

func (l *counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.n.Add(1)
	}
	return c, err
}
