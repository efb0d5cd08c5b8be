package main

import (
	"cmp"
	"fmt"
	"net"
	"net/url"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/nbd"
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
		f.bool(&s.disk.writable, "w", "writable", "let clients write to the image")
		s.disk.deviceOption(f, "serve this device of the image, such as /dev/vg/root")
		f.string(&s.export, "x", "export-name", "NAME", "name of the export; without one, it is the default one only")
		s.disk.formatOption(f)
		f.string(&s.tls, "", "tls-certificates", "FOLDER", "require TLS, with server-cert.pem and server-key.pem; with ca-cert.pem, of clients too").kind = kindHost
		return s.run
	},
	examples: []string{"unboot nbd --socket /tmp/disk.sock disk.qcow2", "unboot nbd --device /dev/vg/home disk.img"},
	image:    true,
	serves:   true,
}

// A blockServer is the options of unboot nbd.
type blockServer struct {
	disk                        diskOpener
	socket, listen, export, tls string
}

func (s *blockServer) run(a *app, args []string) error {
	switch {
	case len(args) != 1:
		return badUsage("expected one IMAGE")
	case s.socket != "" && s.listen != "":
		return badUsage("--socket and --listen exclude each other")
	}
	if err := s.disk.check(a); err != nil {
		return err
	}
	a.lasting = true
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
	d, err := s.disk.open(a, args[0])
	if err != nil {
		return err
	}
	server.Shares = []nbd.Share{{Name: s.export, Description: name, Device: d, Writable: s.disk.writable}}
	err = s.serve(a, server)
	if e := d.Close(); err == nil && e != nil {
		err = fmt.Errorf("%s: %w", quote(name), e)
	}
	return err
}

// serve serves until a signal.
func (s *blockServer) serve(a *app, server *nbd.Server) error {
	l, err := listenPrivately(s.socket, cmp.Or(s.listen, "localhost:"+nbd.DefaultPort))
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

// listenPrivately listens on a Unix socket, or on a TCP address if there is none.
func listenPrivately(socket, address string) (net.Listener, error) {
	if socket == "" {
		return net.Listen("tcp", address)
	}
	// Other users of this host are not to read what only we may.
	mask := unix.Umask(0o177)
	defer unix.Umask(mask)
	return net.Listen("unix", socket)
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
