// Package qemudisk reaches images by what QEMU can reach and this project cannot: Ceph, Gluster,
// iSCSI, NFS and what else its block drivers know. It starts qemu-nbd(8), and is its only client.
//
// QEMU moves bytes, and nothing else: it is told that what is there is raw, whatever it looks
// like, so that an image names it no files. The format of the image is a matter of package source,
// with its rule for what an image names, as for any other transport.
//
// The server listens on a socket in a folder that nobody else can enter, and ends with its
// connection: when the device is closed, or this process ends, however it does. Before there is
// a connection, the kernel ends it with this process. The folder, with nothing in it but the
// socket, is left behind by a process that is killed.
package qemudisk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/nbd"
	"github.com/unboot/unboot/internal/cause"
)

// Program is what is started.
const Program = "qemu-nbd"

// Schemes are those of the addresses that QEMU's block drivers know. Some are written without
// slashes: rbd:POOL/IMAGE.
var Schemes = []string{
	"rbd", "iscsi", "iser", "gluster", "gluster+tcp", "gluster+unix", "gluster+rdma", "nfs",
	"http", "https", "ftp", "ftps", "ssh", "nbd", "nbd+tcp", "nbd+unix",
}

const (
	startTime = time.Minute      // for the server to reach what it is to serve
	endTime   = 30 * time.Second // for it to end after its client has gone
	poll      = 2 * time.Millisecond
	mostSaid  = 4 << 10 // bytes of its messages that an error has
)

// ErrMissing is wrapped by the error of a host without the program.
var ErrMissing = fmt.Errorf("%s is not installed (Debian: qemu-utils, qemu-block-extra)", Program)

// Open opens what an address names. It is the Open of a source.Transport. Errors are
// *fs.PathError.
func Open(ctx context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
	d, err := start(ctx, u, o.Writable)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: disk.Display(u.String()), Err: err}
	}
	return d, nil
}

// A device is a client with a server of its own.
type device struct {
	*nbd.Device
	server *server
}

// Close closes the device, and returns when its server has ended.
func (d *device) Close() error { return errors.Join(d.Device.Close(), d.server.end()) }

func start(ctx context.Context, u *url.URL, writable bool) (*device, error) {
	program, err := exec.LookPath(Program)
	if err != nil {
		return nil, ErrMissing
	}
	dir, err := os.MkdirTemp("", "unboot-qemu-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, said: &bounded{}, ended: make(chan struct{}), address: u}
	socket := filepath.Join(dir, "socket")
	args := []string{"--socket=" + socket, "--format=raw", "--shared=1"}
	if writable {
		args = append(args, "--cache=writeback", "--discard=unmap")
	} else {
		args = append(args, "--read-only")
	}
	s.cmd = exec.Command(program, append(args, u.String())...)
	s.cmd.Stderr = s.said
	// Signals of the terminal are for us, who end it when all is written. For the kernel, its
	// parent is a thread: that one has to live as long.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.err = s.cmd.Wait()
			close(s.ended)
		}
	}()
	if err := <-started; err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	d, err := s.dial(ctx, socket, writable)
	if err != nil {
		s.cmd.Process.Kill()
		s.end()
		return nil, err
	}
	return &device{d, s}, nil
}

// A server is a process that serves one client.
type server struct {
	cmd     *exec.Cmd
	dir     string // with its socket
	address *url.URL
	said    *bounded
	ended   chan struct{}
	err     error // after that
}

// dial connects as soon as the server listens. A connection that is given up would end it.
func (s *server) dial(ctx context.Context, socket string, writable bool) (*nbd.Device, error) {
	late := time.After(startTime)
	for {
		d, err := nbd.Dial(ctx, &nbd.Address{Network: "unix", Host: socket}, nbd.Options{Writable: writable, Name: disk.Display(s.address.String())})
		switch {
		case err == nil:
			return d, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED):
			// It listens before it has opened what it is to serve, and ends if it cannot.
			select {
			case <-s.ended:
				return nil, s.reason()
			case <-time.After(time.Second):
			}
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, cause.Of(ctx)
		case <-s.ended:
			return nil, s.reason()
		case <-late:
			return nil, fmt.Errorf("%s is not ready after %v", Program, startTime)
		case <-time.After(poll):
		}
	}
}

// reason returns what the server has said before it ended, without a password.
func (s *server) reason() error {
	text := strings.TrimSpace(s.said.String())
	text = strings.TrimPrefix(text, Program+": ")
	text = strings.ReplaceAll(text, s.address.String(), disk.Display(s.address.String()))
	password, _ := s.address.User.Password()
	_, iscsi, _ := strings.Cut(s.address.User.Username(), "%")
	_, ceph, _ := strings.Cut(s.address.Opaque, ":key=")
	ceph, _, _ = strings.Cut(ceph, ":")
	for _, secret := range []string{password, iscsi, ceph} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	switch {
	case text == "" && s.err == nil:
		return fmt.Errorf("%s ended before it served anything", Program)
	case text == "":
		return fmt.Errorf("%s: %v", Program, s.err)
	}
	return fmt.Errorf("%s: %s", Program, text)
}

// end waits until the server has ended, whose client has gone.
func (s *server) end() error {
	defer os.RemoveAll(s.dir)
	select {
	case <-s.ended:
		return nil
	case <-time.After(endTime):
	}
	s.cmd.Process.Kill()
	<-s.ended
	return &fs.PathError{Op: "close", Path: disk.Display(s.address.String()), Err: fmt.Errorf("%s did not end within %v", Program, endTime)}
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), mostSaid-min(mostSaid, b.Len()))])
	return len(p), nil
}
