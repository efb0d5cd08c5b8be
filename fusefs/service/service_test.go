package service

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/fusefs/service/servicetest"
)

// pair returns the two ends of a socket.
func pair(t *testing.T, kind int) (ours, theirs int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[1]) })
	return p[0], p[1]
}

// TestConn: a whole conversation with a helper that does not mount.
func TestConn(t *testing.T) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	if err := os.WriteFile(image, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	type call struct {
		source, dir, fstype string
		flags               uintptr
	}
	var mounted call
	var data string
	h := &servicetest.Helper{
		Args: []string{"unboot", image, dir, "-o", "ro"}, UID: os.Geteuid(), AllowOther: true,
		Mount: func(source, dir, fstype string, flags uintptr, d string) error {
			mounted, data = call{source, dir, fstype, flags}, d
			return nil
		},
	}
	ours, theirs := pair(t, unix.SOCK_SEQPACKET)
	status := make(chan int, 1)
	go func() {
		n, err := h.Serve(theirs)
		if err != nil {
			t.Error(err)
		}
		status <- n
	}()
	c, err := New(ours)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !slices.Equal(c.Args(), h.Args) || !c.CanAllowOther() {
		t.Errorf("arguments %q, others allowed: %v", c.Args(), c.CanAllowOther())
	}
	f, err := c.Open(image, unix.O_RDONLY, false)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || string(got) != "content" {
		t.Errorf("read %q, %v", got, err)
	}
	f.Close()
	if _, err := c.Open(image+"-", unix.O_RDONLY, true); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), image+"-") {
		t.Errorf("a file that is not there: %v", err)
	}
	for path, want := range map[string]error{"": unix.ENOENT, "a\x00b": unix.EINVAL, strings.Repeat("x", 5000): unix.ENAMETOOLONG} {
		if _, err := c.Open(path, unix.O_RDONLY, false); !errors.Is(err, want) {
			t.Errorf("%.10q: %v, want %v", path, err, want)
		}
	}
	if err := c.Mount(image, dir, unix.MS_RDONLY|unix.MS_NOSUID, "default_permissions"); err != nil {
		t.Error(err)
	}
	if want := (call{image, dir, "fuse.unboot", unix.MS_RDONLY | unix.MS_NOSUID | mounted.flags&unix.MS_NODEV}); mounted != want {
		t.Errorf("%+v, want %+v", mounted, want)
	}
	if !strings.HasPrefix(data, "default_permissions,fd=") {
		t.Errorf("options %q", data)
	}
	// A second time, the source is one too many.
	if err := c.Mount(image, dir, 0, ""); !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), dir) {
		t.Errorf("mounted again: %v", err)
	}
	if err := c.Goodbye(nil); err != nil {
		t.Error(err)
	}
	if n := <-status; n != 0 {
		t.Errorf("status %d", n)
	}
	if _, err := c.Open(image, unix.O_RDONLY, false); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after the goodbye: %v", err)
	}
}

// TestHostile: what does not follow the protocol is an error, and no descriptor of it stays.
func TestHostile(t *testing.T) {
	hello := []byte("SAFT\x00\x01\x00\x01\x00\x00\x00\x00")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	args, err := servicetest.Args([]string{"unboot", "a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	defer args.Close()
	type packet struct {
		data  []byte
		files []*os.File
	}
	for name, c := range map[string]struct {
		send []packet
		want error
	}{
		"nobody":            {nil, unix.ECONNRESET},
		"no hello":          {[]packet{{[]byte("HELO\x00\x01\x00\x01\x00\x00\x00\x00"), nil}}, errPacket},
		"short":             {[]packet{{hello[:11], nil}}, errPacket},
		"newer":             {[]packet{{[]byte("SAFT\x00\x02\x00\x03\x00\x00\x00\x00"), nil}}, unix.EPROTONOSUPPORT},
		"turned":            {[]packet{{[]byte("SAFT\x00\x02\x00\x01\x00\x00\x00\x00"), nil}}, unix.EPROTONOSUPPORT},
		"flags":             {[]packet{{[]byte("SAFT\x00\x01\x00\x01\x00\x00\x00\x08"), nil}}, errPacket},
		"file with hello":   {[]packet{{hello, []*os.File{null}}}, errPacket},
		"no arguments":      {[]packet{{hello, nil}, {[]byte("FILE\x00\x00\x00\x00argv\x00"), nil}}, errPacket},
		"two files":         {[]packet{{hello, nil}, {[]byte("FILE\x00\x00\x00\x00argv\x00"), []*os.File{args, null}}}, errPacket},
		"many files":        {[]packet{{hello, nil}, {[]byte("FILE\x00\x00\x00\x00argv\x00"), slices.Repeat([]*os.File{null}, 50)}}, errPacket},
		"another name":      {[]packet{{hello, nil}, {[]byte("FILE\x00\x00\x00\x00argw\x00"), []*os.File{args}}}, errPacket},
		"no end of name":    {[]packet{{hello, nil}, {[]byte("FILE\x00\x00\x00\x00argv"), []*os.File{args}}}, errPacket},
		"error":             {[]packet{{hello, nil}, {[]byte("FILE\x00\x00\x00\x0cargv\x00"), nil}}, unix.ENOMEM},
		"error and file":    {[]packet{{hello, nil}, {[]byte("FILE\x00\x00\x00\x0cargv\x00"), []*os.File{args}}}, unix.ENOMEM},
		"great error":       {[]packet{{hello, nil}, {[]byte("FILE\xff\x00\x00\x0cargv\x00"), nil}}, errPacket},
		"empty arguments":   {[]packet{{hello, nil}, {[]byte("FILE\x00\x00\x00\x00argv\x00"), []*os.File{null}}}, io.ErrUnexpectedEOF},
		"another device":    {[]packet{{hello, nil}, {[]byte("FILE\x00\x00\x00\x00argv\x00"), []*os.File{args}}, {[]byte("FILE\x00\x00\x00\x00fusedev\x00"), []*os.File{null}}}, unix.ENODEV},
		"a file for device": {[]packet{{hello, nil}, {[]byte("FILE\x00\x00\x00\x00argv\x00"), []*os.File{args}}, {[]byte("FILE\x00\x00\x00\x00fusedev\x00"), []*os.File{args}}}, unix.ENODEV},
	} {
		t.Run(name, func(t *testing.T) {
			before := descriptorsOpen(t)
			ours, theirs := pair(t, unix.SOCK_SEQPACKET)
			for _, p := range c.send {
				var fds []int
				for _, f := range p.files {
					fds = append(fds, int(f.Fd()))
				}
				if err := unix.Sendmsg(theirs, p.data, unix.UnixRights(fds...), nil, 0); err != nil {
					t.Fatal(err)
				}
			}
			unix.Shutdown(theirs, unix.SHUT_WR)
			conn, err := New(ours)
			if conn != nil || !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if n := descriptorsOpen(t); n != before+1 {
				t.Errorf("%d descriptors are open, and were %d", n-1, before)
			}
		})
	}
	ours, _ := pair(t, unix.SOCK_STREAM)
	if _, err := New(ours); !errors.Is(err, ErrNoService) {
		t.Errorf("a stream: %v", err)
	}
	if _, err := Accept(); !errors.Is(err, ErrNoService) {
		t.Errorf("without systemd: %v", err)
	}
}

func descriptorsOpen(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(list)
}

// TestArgs: what is a command line, and what is none.
func TestArgs(t *testing.T) {
	good := servicetest.ArgsData([]string{"unboot", "", "a b"})
	for name, data := range map[string][]byte{
		"empty":      nil,
		"magic":      append([]byte("ARGT"), good[4:]...),
		"none":       servicetest.ArgsData(nil),
		"cut":        good[:len(good)-1],
		"cut table":  good[:20],
		"many":       append([]byte("ARGS\x00\x00\x10\x01"), good[8:]...),
		"no end":     append(slices.Clone(good[:len(good)-1]), 'x'),
		"ends twice": append(slices.Clone(good[:len(good)-2]), 0, 0),
		"zero":       []byte("ARGS\x00\x00\x00\x01\x00\x00\x00\x10\x00\x00\x00\x00"),
		"huge":       []byte("ARGS\x00\x00\x00\x01\x00\x00\x00\x10\xff\xff\xff\xff"),
		"far":        []byte("ARGS\x00\x00\x00\x01\xff\xff\xff\xff\x00\x00\x00\x01"),
	} {
		if args, err := parseArgs(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: %q", name, args)
		}
	}
	if args, err := parseArgs(bytes.NewReader(good)); err != nil || !slices.Equal(args, []string{"unboot", "", "a b"}) {
		t.Errorf("%q, %v", args, err)
	}
}

// FuzzPackets: no packet and no file makes a parser panic, or take more than it may.
func FuzzPackets(f *testing.F) {
	f.Add([]byte("SAFT\x00\x01\x00\x01\x00\x00\x00\x03"))
	f.Add([]byte("FILE\x00\x00\x00\x00argv\x00"))
	f.Add([]byte("REPL\x00\x00\x00\x16"))
	f.Add(servicetest.ArgsData([]string{"unboot", "image", "dir", "-o", "ro"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if flags, err := parseHello(data); err == nil && flags > 3 {
			t.Errorf("flags %#x", flags)
		}
		if path, _, err := parseOpened(data); err == nil && (len(path) != len(data)-9 || strings.IndexByte(path, 0) >= 0) {
			t.Errorf("path %q", path)
		}
		if errno, err := parseReply(data); err == nil && uint32(errno) != binary.BigEndian.Uint32(data[4:]) {
			t.Errorf("error %d", errno)
		}
		args, err := parseArgs(bytes.NewReader(data))
		if total := len(strings.Join(args, "")); err == nil && (len(args) == 0 || len(args) > maxArgs || total > maxText) {
			t.Errorf("%d arguments of %d bytes", len(args), total)
		}
	})
}
