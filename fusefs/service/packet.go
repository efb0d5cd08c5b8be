package service

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// What packets begin with: four letters.
const (
	helloCommand = 0x53414654 // SAFT
	helloReply   = 0x4c415354 // LAST

	openCommand    = 0x4f50454e // OPEN
	typeCommand    = 0x54595045 // TYPE
	sourceCommand  = 0x4e414d45 // NAME
	optionsCommand = 0x4f505453 // OPTS
	pointCommand   = 0x4d4e5450 // MNTP
	mountCommand   = 0x444f4954 // DOIT
	byeCommand     = 0x42594545 // BYEE

	openReply   = 0x46494c45 // FILE
	simpleReply = 0x5245504c // REPL

	argsMagic = 0x41524753 // ARGS
)

// protocol is the only version of the protocol that there is.
const protocol = 1

// Bounds of what the other side says.
const (
	maxPacket = 64 << 10 // FUSE_SERVICE_MAX_CMD_SIZE
	maxArgs   = 4096
	maxText   = 1 << 20 // bytes of all arguments
)

// Flags of a hello.
const (
	canAllowOther = 1 << 0
	canFuseblk    = 1 << 1
)

// Flags of a request for a file.
const quietOpen = 1 << 0

// The files that come without being asked for.
const (
	argsName   = "argv"
	deviceName = "fusedev"
)

var errPacket = errors.New("this is not fuservicemount's protocol")

// parseHello reads the first packet, and returns the flags.
func parseHello(p []byte) (flags uint32, err error) {
	if len(p) != 12 || binary.BigEndian.Uint32(p) != helloCommand {
		return 0, errPacket
	}
	lowest, highest := binary.BigEndian.Uint16(p[4:]), binary.BigEndian.Uint16(p[6:])
	if lowest > highest || highest < protocol || lowest > protocol {
		return 0, fmt.Errorf("versions %d to %d of the protocol: %w", lowest, highest, unix.EPROTONOSUPPORT)
	}
	flags = binary.BigEndian.Uint32(p[8:])
	if unknown := flags &^ (canAllowOther | canFuseblk); unknown != 0 {
		return 0, fmt.Errorf("unknown flags %#x: %w", unknown, errPacket)
	}
	return flags, nil
}

// makeHelloReply says which version is spoken.
func makeHelloReply() []byte {
	p := binary.BigEndian.AppendUint32(nil, helloReply)
	p = binary.BigEndian.AppendUint16(p, protocol)
	return binary.BigEndian.AppendUint16(p, 0)
}

// makeOpen asks for a file.
func makeOpen(path string, flags int, request uint32) []byte {
	p := binary.BigEndian.AppendUint32(nil, openCommand)
	p = binary.BigEndian.AppendUint32(p, uint32(flags))
	p = binary.BigEndian.AppendUint32(p, 0) // the mode of a new file
	p = binary.BigEndian.AppendUint32(p, request)
	p = binary.BigEndian.AppendUint32(p, 0) // the block size of a device
	return append(append(p, path...), 0)
}

// parseOpened reads what comes with a file, or instead of one: which file, and the error.
func parseOpened(p []byte) (path string, errno unix.Errno, err error) {
	if len(p) < 9 || binary.BigEndian.Uint32(p) != openReply || p[len(p)-1] != 0 {
		return "", 0, errPacket
	}
	n, err := parseErrno(p[4:])
	name := p[8 : len(p)-1]
	if err != nil || bytes.IndexByte(name, 0) >= 0 {
		return "", 0, errPacket
	}
	return string(name), n, nil
}

// parseErrno reads an error number, of which Linux has 4,095.
func parseErrno(p []byte) (unix.Errno, error) {
	n := binary.BigEndian.Uint32(p)
	if n > 4095 {
		return 0, errPacket
	}
	return unix.Errno(n), nil
}

// makeNumber is a command with a number.
func makeNumber(command, n uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, command), n)
}

// makeText is a command with a text.
func makeText(command uint32, s string) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, command), s...), 0)
}

// makePoint says where to mount, and that it must be a directory.
func makePoint(dir string) []byte {
	p := binary.BigEndian.AppendUint32(nil, pointCommand)
	p = binary.BigEndian.AppendUint16(p, unix.S_IFDIR)
	p = binary.BigEndian.AppendUint16(p, 0)
	return append(append(p, dir...), 0)
}

// parseReply reads the answer to a command.
func parseReply(p []byte) (unix.Errno, error) {
	if len(p) != 8 || binary.BigEndian.Uint32(p) != simpleReply {
		return 0, errPacket
	}
	return parseErrno(p[4:])
}

// parseArgs reads the file with the command line: a table of places and lengths, then texts that
// end with a zero byte. The first is the type of the file system, without "fuse.".
func parseArgs(r io.ReaderAt) ([]string, error) {
	var head [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("the command line: %w", noEOF(err))
	}
	n := binary.BigEndian.Uint32(head[4:])
	if binary.BigEndian.Uint32(head[:]) != argsMagic || n == 0 || n > maxArgs {
		return nil, fmt.Errorf("the command line: %w", errPacket)
	}
	places := make([]byte, 8*n)
	if _, err := r.ReadAt(places, int64(len(head))); err != nil {
		return nil, fmt.Errorf("the command line: %w", noEOF(err))
	}
	var args []string
	total := uint32(0)
	for ; len(places) > 0; places = places[8:] {
		at, size := binary.BigEndian.Uint32(places), binary.BigEndian.Uint32(places[4:])
		if size == 0 || size > maxText-total {
			return nil, fmt.Errorf("the command line: %w", errPacket)
		}
		total += size
		text := make([]byte, size)
		if _, err := r.ReadAt(text, int64(at)); err != nil {
			return nil, fmt.Errorf("the command line: %w", noEOF(err))
		}
		if bytes.IndexByte(text, 0) != int(size)-1 {
			return nil, fmt.Errorf("the command line: %w", errPacket)
		}
		args = append(args, string(text[:size-1]))
	}
	return args, nil
}

// noEOF is the error of a file that ends too early.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
