package main

import (
	"fmt"
	"net"
	"net/url"
	"os"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/nbd"
	"github.com/unboot/unboot/disk/source"
	"golang.org/x/sys/unix"
)

var nbdCommand = command{
	name:     "nbd",
	short:    "serve a disk by NBD",
	synopsis: []string{"[OPTION...] IMAGE"},
	brief:    "IMAGE",
	long: `Serves the disk that is in an image, in whatever format, as a network block device, until
it is interrupted. By default, clients can only read. The address is printed as a URL when
clients can connect.

With --device, it serves a device of the image instead, such as a logical volume or what is
in an encrypted partition.
`,
	args: []kind{kindImage},
	options: func(f *flagSet) runFunc {
		s := &blockServer{}
		f.string(&s.socket, "k", "socket", "PATH", "listen on a Unix socket, which must not exist").kind = kindHost
		f.string(&s.listen, "l", "listen", "HOST:PORT", "listen on a TCP address; localhost:"+nbd.DefaultPort+" by default")
		f.bool(&s.writable, "w", "writable", "let clients write to the image")
		f.string(&s.device, "", "device", "DEVICE", "serve this device of the image, such as /dev/vg/root").kind = kindDevice
		f.string(&s.export, "x", "export-name", "NAME", "name of the export; without one, it is the default one only")
		f.string(&s.format, "f", "format", "FORMAT", "format of the image, if it should not be detected")
		f.string(&s.tls, "", "tls-certificates", "FOLDER", "require TLS, with server-cert.pem and server-key.pem; with ca-cert.pem, of clients too").kind = kindHost
		return s.run
	},
	examples: []string{"unboot nbd --socket /tmp/disk.sock disk.qcow2", "unboot nbd --device /dev/vg/home disk.img"},
	image:    true,
}

// A blockServer is the options of unboot nbd.
type blockServer struct {
	socket, listen, device, export, format, tls string
	writable                                    bool
}

func (s *blockServer) run(a *app, args []string) error {
	switch {
	case len(args) != 1:
		return badUsage("expected one IMAGE")
	case s.socket != "" && s.listen != "":
		return badUsage("--socket and --listen exclude each other")
	case s.device == "" && len(a.opts.mounts) > 0:
		return badUsage("nothing is mounted (--device?)")
	case s.device != "" && s.format != "":
		return badUsage("--format is not for --device")
	case s.device == "" && len(a.opts.add) > 0:
		return badUsage("--add is for --device")
	}
	server := &nbd.Server{Log: func(client string, err error) {
		if client == "" || client == "@" {
			client = "a client"
		}
		a.warn(fmt.Errorf("%s: %w", quote(client), err))
	}}
	if s.tls != "" {
		var err error
		if server.TLS, err = nbd.ServerTLS(s.tls); err != nil {
			return err
		}
	}
	name := disk.Display(args[0])
	d, err := s.disk(a, args[0])
	if err != nil {
		return openError(name, err)
	}
	server.Shares = []nbd.Share{{Name: s.export, Description: name, Device: d, Writable: s.writable}}
	err = s.serve(a, server)
	if e := d.Close(); err == nil && e != nil {
		err = fmt.Errorf("%s: %w", quote(name), e)
	}
	return err
}

// disk opens what is served.
func (s *blockServer) disk(a *app, image string) (disk.Device, error) {
	if s.device != "" {
		return s.inside(a, image)
	}
	a.awaitWriters(image, s.writable)
	o := source.Options{Writable: s.writable, Format: s.format}
	if a.opts.backing {
		o.Allow = func(disk.Reference) error { return nil }
	}
	if s.writable {
		a.writing.Store(true)
	}
	return source.Open(a.life, image, o)
}

// serve serves until a signal.
func (s *blockServer) serve(a *app, server *nbd.Server) error {
	network, address := "tcp", s.listen
	if address == "" {
		address = "localhost:" + nbd.DefaultPort
	}
	if s.socket != "" {
		network, address = "unix", s.socket
	}
	// Other users of this host are not to read what only we may.
	mask := unix.Umask(0o177)
	l, err := net.Listen(network, address)
	unix.Umask(mask)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, s.url(l.Addr()))
	a.out.Flush()
	if err := server.Serve(a.ctx, l); a.ctx.Err() == nil {
		return err
	}
	return nil
}

// url returns where clients find it.
func (s *blockServer) url(at net.Addr) string {
	u := url.URL{Scheme: "nbd", Host: at.String(), Path: "/" + s.export}
	if s.tls != "" {
		u.Scheme = "nbds"
	}
	if s.socket != "" {
		u.Scheme += "+unix"
		u.Host, u.RawQuery, u.OmitHost = "", url.Values{"socket": {s.socket}}.Encode(), false
		return u.Scheme + "://" + u.EscapedPath() + "?" + u.RawQuery
	}
	return u.String()
}

// inside opens a device of an image through the kernel.
func (s *blockServer) inside(a *app, image string) (disk.Device, error) {
	o, err := a.open(image, s.writable)
	if err != nil {
		return nil, err
	}
	d, err := o.img.Device(s.device)
	if err != nil {
		return nil, err
	}
	flag := os.O_RDONLY
	if s.writable {
		flag = os.O_RDWR | os.O_EXCL
	}
	f, err := d.Open(flag)
	if err != nil {
		return nil, err
	}
	return innerDevice{f, d.Size}, nil
}

// An innerDevice is a device of an image, as the disk of a server.
type innerDevice struct {
	*unboot.File
	size int64
}

func (d innerDevice) Size() int64 { return d.size }

func (d innerDevice) Flush() error { return d.Sync() }
