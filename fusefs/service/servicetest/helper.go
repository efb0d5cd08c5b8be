// Package servicetest does for tests what libfuse's fuservicemount3(8) does: it is the side of the
// protocol that opens files and mounts, with the rights of a user and of root.
package servicetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Helper mounts one file system.
type Helper struct {
	// Args are the type of the file system, and then the arguments: the source, the directory, -o…
	Args []string
	// UID and GID are the user for whom it works.
	UID, GID int
	// AllowOther is what fuse.conf says.
	AllowOther bool
	// Mount mounts; by default it is mount(2).
	Mount func(source, dir, fstype string, flags uintptr, data string) error

	source, dir, options string
}

// word is a number that four letters stand for.
func word(letters string) uint32 { return binary.BigEndian.Uint32([]byte(letters)) }

// Serve speaks with a service at the other end of a socket, and returns the exit status that the
// service has asked for.
func (h *Helper) Serve(fd int) (status int, err error) {
	flags := uint32(0)
	if h.UID == 0 {
		flags = 3
	} else if h.AllowOther {
		flags = 1
	}
	hello := binary.BigEndian.AppendUint32(nil, word("SAFT"))
	hello = append(hello, 0, 1, 0, 1)
	if err := send(fd, binary.BigEndian.AppendUint32(hello, flags), -1); err != nil {
		return 0, err
	}
	p, err := receive(fd)
	if err != nil {
		return 0, err
	}
	if string(p) != "LAST\x00\x01\x00\x00" {
		return 0, fmt.Errorf("the answer to hello is %q", p)
	}
	args, err := Args(h.Args)
	if err != nil {
		return 0, err
	}
	defer args.Close()
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer device.Close()
	if err := errors.Join(send(fd, opened("argv", 0), int(args.Fd())), send(fd, opened("fusedev", 0), int(device.Fd()))); err != nil {
		return 0, err
	}
	for {
		p, err := receive(fd)
		if err != nil {
			return 0, err
		}
		if len(p) < 8 {
			return 0, fmt.Errorf("a packet of %d bytes", len(p))
		}
		switch command, rest := string(p[:4]), p[4:]; command {
		case "OPEN":
			err = h.open(fd, rest)
		case "BYEE":
			return int(binary.BigEndian.Uint32(rest)), nil
		default:
			err = send(fd, binary.BigEndian.AppendUint32([]byte("REPL"), uint32(h.command(command, rest, device))), -1)
		}
		if err != nil {
			return 0, err
		}
	}
}

// command does what is answered with an error number alone.
func (h *Helper) command(command string, p []byte, device *os.File) unix.Errno {
	text := func(p []byte, to *string) unix.Errno {
		s, ok := strings.CutSuffix(string(p), "\x00")
		if !ok || *to != "" {
			return unix.EINVAL
		}
		*to = s
		return 0
	}
	switch command {
	case "TYPE":
		if binary.BigEndian.Uint32(p) != 0 {
			return unix.EPERM
		}
	case "NAME":
		return text(p, &h.source)
	case "OPTS":
		return text(p, &h.options)
	case "MNTP":
		if binary.BigEndian.Uint16(p) != unix.S_IFDIR || binary.BigEndian.Uint16(p[2:]) != 0 {
			return unix.EINVAL
		}
		if errno := text(p[4:], &h.dir); errno != 0 || !slices.Contains(h.Args, h.dir) {
			return unix.EINVAL
		}
	case "DOIT":
		return h.mount(uintptr(binary.BigEndian.Uint32(p)), device)
	default:
		return unix.EINVAL
	}
	return 0
}

func (h *Helper) mount(flags uintptr, device *os.File) unix.Errno {
	if h.source == "" || h.dir == "" {
		return unix.EINVAL
	}
	if strings.Contains(h.options, "allow_other") && h.UID != 0 && !h.AllowOther {
		return unix.EPERM
	}
	if h.UID != 0 {
		flags |= unix.MS_NODEV | unix.MS_NOSUID
	}
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", device.Fd(), h.UID, h.GID)
	if h.options != "" {
		data = h.options + "," + data
	}
	mount := h.Mount
	if mount == nil {
		mount = unix.Mount
	}
	return errno(mount(h.source, h.dir, "fuse."+h.Args[0], flags, data))
}

// open opens a file with the rights of the user.
func (h *Helper) open(fd int, p []byte) error {
	if len(p) < 18 || p[len(p)-1] != 0 {
		return send(fd, opened("?", unix.EINVAL), -1)
	}
	flags, path := int(binary.BigEndian.Uint32(p)), string(p[16:len(p)-1])
	f := -1
	err := h.asUser(func() (err error) {
		f, err = unix.Open(path, flags|unix.O_CLOEXEC, binary.BigEndian.Uint32(p[4:]))
		return err
	})
	if err != nil {
		return send(fd, opened(path, errno(err)), -1)
	}
	defer unix.Close(f)
	return send(fd, opened(path, 0), f)
}

// asUser does something on a thread that has the user's rights to files, and is not used again.
func (h *Helper) asUser(do func() error) error {
	if os.Geteuid() != 0 || h.UID == 0 {
		return do()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setfsgid(h.GID); err != nil {
			done <- err
			return
		}
		// The capabilities over files go with this.
		if err := unix.Setfsuid(h.UID); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
}

// Args returns a file with a command line.
func Args(args []string) (*os.File, error) {
	fd, err := unix.MemfdCreate("argv", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "argv")
	_, err = f.Write(ArgsData(args))
	return f, err
}

// ArgsData returns what is in that file.
func ArgsData(args []string) []byte {
	head := binary.BigEndian.AppendUint32([]byte("ARGS"), uint32(len(args)))
	at := len(head) + 8*len(args)
	var texts []byte
	for _, s := range args {
		head = binary.BigEndian.AppendUint32(head, uint32(at+len(texts)))
		head = binary.BigEndian.AppendUint32(head, uint32(len(s)+1))
		texts = append(append(texts, s...), 0)
	}
	return append(head, texts...)
}

// opened is the packet that comes with a file, or with an error instead of one.
func opened(path string, errno unix.Errno) []byte {
	p := binary.BigEndian.AppendUint32([]byte("FILE"), uint32(errno))
	return append(append(p, path...), 0)
}

func errno(err error) unix.Errno {
	var e unix.Errno
	if err != nil && !errors.As(err, &e) {
		return unix.EIO
	}
	return e
}

func send(fd int, p []byte, file int) error {
	var rights []byte
	if file >= 0 {
		rights = unix.UnixRights(file)
	}
	return unix.Sendmsg(fd, p, rights, nil, unix.MSG_EOR|unix.MSG_NOSIGNAL)
}

func receive(fd int) ([]byte, error) {
	p := make([]byte, 64<<10)
	n, _, _, _, err := unix.Recvmsg(fd, p, nil, 0)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errors.New("the service has ended without a goodbye")
	}
	return p[:n], nil
}
