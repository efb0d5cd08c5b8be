package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoService is the error of a program that was not started by a socket of systemd.
var ErrNoService = errors.New("not started as the service of a socket (systemd.socket(5), Accept=yes)")

// patience is how long the other side may take to answer. It opens files and mounts; a user need
// not be waited for.
const patience = 30 * time.Second

// A Conn is a connection with fuservicemount3(8), for one mount. Its methods are for one
// goroutine at a time.
type Conn struct {
	fd     int
	flags  uint32
	args   []string
	device *os.File // nil if somebody has taken it
}

// firstFd is SD_LISTEN_FDS_START.
const firstFd = 3

// Accept returns the connection that systemd has accepted for this process, as sd_listen_fds(3)
// says. The error wraps [ErrNoService] if there is none. It is called once.
func Accept() (*Conn, error) {
	pid, fds := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	if pid != strconv.Itoa(os.Getpid()) || fds == "" {
		return nil, ErrNoService
	}
	if fds != "1" {
		return nil, fmt.Errorf("%s sockets where one is expected: %w", fds, ErrNoService)
	}
	for _, v := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(v)
	}
	unix.CloseOnExec(firstFd)
	return New(firstFd)
}

// New speaks with who is at the other end of a socket of the type SOCK_SEQPACKET, and takes it
// over: first both say which version they speak, and then the command line and the descriptor of
// /dev/fuse come.
func New(fd int) (*Conn, error) {
	c := &Conn{fd: fd}
	if err := c.begin(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// begin does what comes before the program can ask for anything.
func (c *Conn) begin() error {
	kind, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return fmt.Errorf("the service's socket: %w", err)
	}
	if kind != unix.SOCK_SEQPACKET {
		return fmt.Errorf("the service's socket is not for packets in sequence: %w", ErrNoService)
	}
	wait := unix.NsecToTimeval(int64(patience))
	for _, o := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, o, &wait); err != nil {
			return fmt.Errorf("the service's socket: %w", err)
		}
	}
	p, err := c.receive()
	if err != nil {
		return err
	}
	if c.flags, err = parseHello(p); err != nil {
		return err
	}
	if err := c.send(makeHelloReply()); err != nil {
		return err
	}
	args, err := c.receiveFile(argsName)
	if err != nil {
		return err
	}
	defer args.Close()
	if c.args, err = parseArgs(args); err != nil {
		return err
	}
	if c.device, err = c.receiveFile(deviceName); err != nil {
		return err
	}
	return checkDevice(c.device)
}

// fuseNumber is the number of /dev/fuse: major 10, minor 229.
var fuseNumber = unix.Mkdev(10, 229)

// checkDevice returns an error for what is not /dev/fuse.
func checkDevice(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("the descriptor of /dev/fuse: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != fuseNumber {
		return fmt.Errorf("the descriptor that came is not one of /dev/fuse: %w", unix.ENODEV)
	}
	return nil
}

// Args returns the command line of fuservicemount3: the type of the file system as the user has
// named it, and then the arguments without the program and without -t.
func (c *Conn) Args() []string { return c.args }

// CanAllowOther reports whether a mount may let other users in: the user is root, or fuse.conf
// has user_allow_other.
func (c *Conn) CanAllowOther() bool { return c.flags&canAllowOther != 0 }

// Open opens a file of the host with the rights of the user, and relative to the user's working
// directory. The other side prints its error, unless quiet is set. Files can be opened until
// [Conn.Mount]. Errors are *fs.PathError.
func (c *Conn) Open(path string, flags int, quiet bool) (*os.File, error) {
	f, err := c.open(path, flags, quiet)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return f, nil
}

func (c *Conn) open(path string, flags int, quiet bool) (*os.File, error) {
	if path == "" {
		return nil, unix.ENOENT
	}
	if strings.IndexByte(path, 0) >= 0 {
		return nil, unix.EINVAL
	}
	if len(path) >= unix.PathMax {
		return nil, unix.ENAMETOOLONG
	}
	request := uint32(0)
	if quiet {
		request = quietOpen
	}
	if err := c.send(makeOpen(path, flags, request)); err != nil {
		return nil, err
	}
	return c.receiveFile(path)
}

// Device returns the descriptor of /dev/fuse, which is the caller's from now on.
func (c *Conn) Device() *os.File {
	f := c.device
	c.device = nil
	return f
}

// Mount mounts the file system whose requests come from [Conn.Device] on a directory, which must
// be one of the arguments. source is what mount tables call it; flags are those of mount(2), and
// options those of FUSE, as a list with commas. Without root's rights, the user must be able to
// write to the directory, and flags that are not safe are left out.
func (c *Conn) Mount(source, dir string, flags uintptr, options string) error {
	if strings.IndexByte(source+dir+options, 0) >= 0 {
		return fmt.Errorf("mount %q: %w", dir, unix.EINVAL)
	}
	type step struct {
		name   string
		packet []byte
	}
	steps := []step{
		{"the type", makeNumber(typeCommand, 0)},
		{"the source", makeText(sourceCommand, source)},
		{"the directory", makePoint(dir)},
	}
	if options != "" {
		steps = append(steps, step{"the options " + options, makeText(optionsCommand, options)})
	}
	steps = append(steps, step{"", makeNumber(mountCommand, uint32(flags))})
	for _, s := range steps {
		if err := c.command(s.packet); err != nil {
			if s.name != "" {
				err = fmt.Errorf("%s: %w", s.name, err)
			}
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	return nil
}

// command sends a packet and waits for the answer.
func (c *Conn) command(p []byte) error {
	if err := c.send(p); err != nil {
		return err
	}
	p, err := c.receive()
	if err != nil {
		return err
	}
	errno, err := parseReply(p)
	if err != nil {
		return err
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// Goodbye tells the other side how it went, with which it ends, and closes the connection: it has
// exit status 0 if err is nil, and 1 otherwise. It has no words for the error.
func (c *Conn) Goodbye(err error) error {
	status := uint32(0)
	if err != nil {
		status = 1
	}
	sent := c.send(makeNumber(byeCommand, status))
	return errors.Join(sent, c.Close())
}

// Close closes the connection, and the descriptor of /dev/fuse if nobody has taken it. Without a
// goodbye before, the other side takes the mount for failed.
func (c *Conn) Close() error {
	if c.device != nil {
		c.device.Close()
		c.device = nil
	}
	if c.fd < 0 {
		return nil
	}
	err := unix.Close(c.fd)
	c.fd = -1
	return err
}

func (c *Conn) send(p []byte) error {
	if c.fd < 0 {
		return os.ErrClosed
	}
	if len(p) > maxPacket {
		return unix.EMSGSIZE
	}
	for {
		err := unix.Sendmsg(c.fd, p, nil, nil, unix.MSG_EOR|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return silent(err)
		}
	}
}

// receive returns a packet without a descriptor.
func (c *Conn) receive() ([]byte, error) {
	p, fds, err := c.receiveAny()
	if len(fds) > 0 {
		closeAll(fds)
		return nil, errPacket
	}
	return p, err
}

// receiveFile returns the file that comes next, which must be of a name.
func (c *Conn) receiveFile(name string) (*os.File, error) {
	p, fds, err := c.receiveAny()
	if err != nil {
		return nil, err
	}
	got, errno, err := parseOpened(p)
	switch {
	case err == nil && (got != name || len(fds) > 1 || errno == 0 && len(fds) == 0):
		err = errPacket
	case err == nil && errno != 0:
		err = errno
	}
	if err != nil {
		closeAll(fds)
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), name), nil
}

// receiveAny returns a packet and the descriptors that came with it.
func (c *Conn) receiveAny() (p []byte, fds []int, err error) {
	if c.fd < 0 {
		return nil, nil, os.ErrClosed
	}
	p = make([]byte, maxPacket)
	control := make([]byte, unix.CmsgSpace(4*4))
	for {
		n, m, flags, _, err := unix.Recvmsg(c.fd, p, control, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, nil, silent(err)
		}
		fds, err = descriptors(control[:m])
		switch {
		case err != nil || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
			closeAll(fds)
			return nil, nil, errPacket
		case n == 0 && len(fds) == 0:
			return nil, nil, fmt.Errorf("the other side of the service's socket has gone: %w", unix.ECONNRESET)
		}
		return p[:n], fds, nil
	}
}

// silent words the error of one who does not answer.
func silent(err error) error {
	if err == unix.EAGAIN {
		return fmt.Errorf("the other side of the service's socket does not answer: %w", unix.ETIMEDOUT)
	}
	return err
}

// descriptors returns those that came with a packet.
func descriptors(control []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		if messages[i].Header.Level != unix.SOL_SOCKET || messages[i].Header.Type != unix.SCM_RIGHTS {
			continue
		}
		more, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return fds, err
		}
		fds = append(fds, more...)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
