package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/fusefs/service"
	"github.com/unboot/unboot/lkl"
)

// A contained is a mount for a user of fuservicemount3(8), who opens its files.
type contained struct{ conn *service.Conn }

// serveContained mounts what fuservicemount3 asks for, and serves it.
func (m *mounter) serveContained(a *app) error {
	lkl.Preload()
	conn, err := service.Accept()
	if err != nil {
		return err
	}
	c := &contained{conn}
	mounts, err := m.contained(a, c)
	if bye := conn.Goodbye(err); err == nil && bye != nil {
		// The mount is there, and its user can end it.
		a.warn(fmt.Errorf("fuservicemount: %w", bye))
	}
	if err != nil {
		return err
	}
	return m.serve(a, mounts)
}

// contained mounts what fuservicemount3 asks for.
func (m *mounter) contained(a *app, c *contained) ([]*mountedImage, error) {
	image, dir, words, err := serviceArgs(c.conn.Args())
	if err != nil {
		return nil, err
	}
	m.words = append(m.words, words...)
	if err := m.check(a); err != nil {
		return nil, err
	}
	switch {
	case m.all || m.overlayFile != "" || m.idle > 0 || a.opts.cacheDir != "":
		return nil, badUsage("a service has no --all, --overlay-file, --idle and --cache-dir")
	case m.fuse.AllowOther && !c.conn.CanAllowOther():
		return nil, fmt.Errorf("allow_other: %w (user_allow_other in /etc/fuse.conf?)", unix.EPERM)
	}
	a.lasting = true
	m.by = c.conn
	a.opts.sources = c.sources()
	openKeyFile = func(path string) (*os.File, error) { return c.conn.Open(path, unix.O_RDONLY|unix.O_NOCTTY, false) }
	t, err := c.target(image)
	if err != nil {
		return nil, err
	}
	return m.mount(a, t, dir)
}

// serviceArgs reads the command line of fuservicemount3: TYPE SOURCE DIR [-o OPTIONS].
func serviceArgs(args []string) (image, dir string, words []string, err error) {
	var names []string
	for i := 1; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-o" && i+1 < len(args):
			i++
			words = append(words, args[i])
		case strings.HasPrefix(arg, "-o"):
			words = append(words, arg[2:])
		case strings.HasPrefix(arg, "-"):
			return "", "", nil, badUsage("%s: no such option for a service", quote(arg))
		default:
			names = append(names, arg)
		}
	}
	if len(names) != 2 {
		return "", "", nil, badUsage("expected IMAGE and DIR")
	}
	return names[0], names[1], words, nil
}

// sources are those of the program, with files as the user may open them.
func (c *contained) sources() *source.Registry {
	r := *sources()
	// The first of a scheme counts.
	r.Transports = append([]source.Transport{{Schemes: []string{"file"}, Open: c.open}}, r.Transports...)
	return &r
}

// open opens an image, or a file that an image names.
func (c *contained) open(_ context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
	flags := unix.O_NOCTTY | unix.O_NONBLOCK
	if o.Writable {
		flags |= unix.O_RDWR
	}
	if o.Writable && !o.NoLock {
		flags |= unix.O_EXCL // of a file it means nothing, and of a block device that it is locked
	}
	f, err := c.conn.Open(u.Path, flags, false)
	if errors.Is(err, unix.EBUSY) && flags&unix.O_EXCL != 0 {
		err = &os.PathError{Op: "open", Path: u.Path, Err: disk.ErrInUse}
	}
	if err != nil {
		return nil, err
	}
	d, err := disk.NewRaw(f, o)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// target is parseTarget where only the user can see what there is.
func (c *contained) target(arg string) (target, error) {
	if t, ok := remoteTarget(arg); ok {
		return t, nil
	}
	for end := len(arg); end > 0; end = strings.LastIndexByte(arg[:end], ':') {
		f, err := c.conn.Open(arg[:end], unix.O_PATH, true)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err != nil {
			return target{}, err
		}
		f.Close()
		t := target{arg: arg, image: arg[:end]}
		if end < len(arg) {
			t.path = "/" + strings.TrimPrefix(arg[end+1:], "/")
		}
		return t, nil
	}
	return parseTarget(arg), nil // whose error names it
}
