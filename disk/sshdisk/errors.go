package sshdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/unboot/unboot/disk/internal/link"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrLost is returned when the connection is lost and no other one was made in time.
	ErrLost = link.ErrLost
	// ErrChanged is returned when the file is not the one any more that was opened.
	ErrChanged = errors.New("the file on the server has changed")
	// ErrHostKey is returned for a host that is not who known_hosts says.
	ErrHostKey = errors.New("the host's key is not the one that is known")
	// ErrDenied is returned for a host that does not let us in.
	ErrDenied = errors.New("the host does not let us in")
	// ErrPassword is returned for a URL with a password.
	ErrPassword = errors.New("a password in the address can be seen by every user of this machine: use a key, or $" + PasswordVariable)
)

// An UnknownHostError is returned for a host whose key is not in known_hosts.
type UnknownHostError struct {
	Host        string // as known_hosts has it
	Fingerprint string // of its key, with its type
	Files       []string
	login       string // for ssh(1)
}

func (e *UnknownHostError) Error() string {
	return fmt.Sprintf("the host %s is not known: its key %s is not in %s (verify that, and connect once with: ssh %s)",
		e.Host, e.Fingerprint, strings.Join(e.Files, " or "), e.login)
}

// final reports whether an error will be the same the next time.
func final(err error) bool {
	for _, e := range []error{ErrChanged, ErrHostKey, ErrDenied, fs.ErrNotExist} {
		if errors.Is(err, e) {
			return true
		}
	}
	_, unknown := errors.AsType[*UnknownHostError](err)
	return unknown
}
