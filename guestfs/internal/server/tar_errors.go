package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/internal/treecopy"
)

// badMembers are those that could not be unpacked, in the words of tar(1).
type badMembers struct {
	mu    sync.Mutex
	text  strings.Builder
	count int
}

// add notes a member, and has the work go on.
func (b *badMembers) add(name string, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	const enough = 32 << 10 // of an error's text, for the protocol
	if b.count++; b.text.Len() > enough {
		return nil
	}
	text := err.Error()
	var path *fs.PathError
	var link *os.LinkError
	_, bare := err.(unix.Errno)
	if n := protocol.Errno(err); n != 0 && (bare || errors.As(err, &path) || errors.As(err, &link)) {
		text = "Cannot " + verbOf(err) + ": " + protocol.Strerror(n)
	}
	if errors.Is(err, treecopy.ErrClimbs) {
		text = "Member name contains '..'"
	}
	fmt.Fprintf(&b.text, "tar: %s: %s\n", plainName(name), text)
	return nil
}

// lost notes a member whose owner was not kept. Of attributes, tar only warns.
func (b *badMembers) lost(name, attr string, err error) {
	if attr == "" {
		b.add(name, &fs.PathError{Op: "chown", Path: name, Err: err})
	}
}

// plainName writes a name from an archive so that it cannot play with a terminal.
func plainName(name string) string {
	q := strconv.Quote(name)
	return q[1 : len(q)-1]
}

// verbOf names what has failed.
func verbOf(err error) string {
	var call *unboot.CallError
	var link *os.LinkError
	var path *fs.PathError
	switch {
	case errors.As(err, &path) && path.Op == "chown", errors.As(err, &call) && call.Call == "chown":
		return "change ownership"
	case errors.As(err, &call) && call.Call == "chmod":
		return "change mode"
	case errors.As(err, &call) && call.Call == "utimens":
		return "utime"
	case errors.As(err, &call) && call.Call == "setxattr":
		return "set attribute " + plainName(call.Attr)
	case errors.As(err, &call):
		return "write"
	case errors.As(err, &link):
		return "hard link to " + plainName(link.Old)
	case errors.As(err, &path) && path.Op == "write":
		return "write"
	}
	return "unpack"
}

func (b *badMembers) err(dir string) error {
	if b.count == 0 {
		return nil
	}
	return errorf("tar subcommand failed on directory: %s: %star: Exiting with failure status due to previous errors", dir, b.text.String())
}
