package sshdisk

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostName returns how known_hosts calls a host.
func hostName(host, port string) string { return knownhosts.Normalize(net.JoinHostPort(host, port)) }

// A verifier compares the key of a host with known_hosts.
type verifier struct {
	peer  *peer
	check ssh.HostKeyCallback // nil without any file
}

func newVerifier(p *peer) (*verifier, error) {
	var files []string
	for _, path := range p.known {
		if _, err := os.Stat(path); err == nil {
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		return &verifier{peer: p}, nil
	}
	check, err := knownhosts.New(files...)
	if err != nil {
		return nil, fmt.Errorf("the keys of hosts: %w", err)
	}
	return &verifier{p, check}, nil
}

// nobody is the address that keys are compared for: hosts are known by name alone.
var nobody net.Addr = &net.TCPAddr{IP: net.IPv4zero}

// name is the host as the checks of package knownhosts want it.
func (v *verifier) name() string {
	if _, _, err := net.SplitHostPort(v.peer.name); err == nil {
		return v.peer.name
	}
	return net.JoinHostPort(v.peer.name, "22")
}

// verify returns an error for a key that is not the host's.
func (v *verifier) verify(_ string, _ net.Addr, key ssh.PublicKey) error {
	unknown := &UnknownHostError{Host: v.peer.name, Fingerprint: key.Type() + " " + ssh.FingerprintSHA256(key), Files: v.peer.known[:1], login: v.peer.login()}
	if v.check == nil {
		return unknown
	}
	err := v.check(v.name(), nobody, key)
	k, ok := errors.AsType[*knownhosts.KeyError](err)
	switch {
	case ok && len(k.Want) == 0:
		return unknown
	case ok:
		at := k.Want[0]
		return fmt.Errorf("%w: it is %s, and %s:%d has another one (somebody may be in between; if the host was installed anew: ssh-keygen -f %s -R '%s')",
			ErrHostKey, unknown.Fingerprint, at.Filename, at.Line, at.Filename, v.peer.name)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrHostKey, err)
	}
	return nil
}

// algorithms returns those of the keys that are known of the host, so that it shows one of
// these. Without any, it shows what it likes, which is then said to be unknown.
func (v *verifier) algorithms() (list []string) {
	if v.check == nil {
		return nil
	}
	k, ok := errors.AsType[*knownhosts.KeyError](v.check(v.name(), nobody, noKey{}))
	if !ok {
		return nil
	}
	for _, w := range k.Want {
		t := w.Key.Type()
		if t == ssh.KeyAlgoRSA {
			list = append(list, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		}
		if !slices.Contains(list, t) && t != ssh.KeyAlgoRSA {
			list = append(list, t)
		}
	}
	return list
}

// noKey is a key that no host has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
