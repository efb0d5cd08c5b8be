package sshdisk

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// PasswordVariable is the variable of the environment that has a password.
const PasswordVariable = "UNBOOT_SSH_PASSWORD"

// maxKey is how large the file of a key may be, in bytes.
const maxKey = 1 << 20

// An identity is who we are for a host.
type identity struct {
	peer  *peer
	agent net.Conn // nil without one
	notes []string // why a key is not used
	tried int      // keys
}

// methods returns how to prove it.
func (i *identity) methods() []ssh.AuthMethod {
	list := []ssh.AuthMethod{ssh.PublicKeysCallback(i.signers)}
	if password, ok := os.LookupEnv(PasswordVariable); ok {
		list = append(list, ssh.Password(password), ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range questions {
				// What is shown while it is typed is no password.
				if echos[i] {
					return nil, fmt.Errorf("the host asks %.100q", questions[i])
				}
				answers[i] = password
			}
			return answers, nil
		}))
	}
	return list
}

// signers returns our keys: those of the agent, and those of files that it does not have.
func (i *identity) signers() ([]ssh.Signer, error) {
	var list []ssh.Signer
	var have [][]byte
	wanted := publicKeys(i.peer.keys)
	for _, s := range i.fromAgent() {
		b := s.PublicKey().Marshal()
		if i.peer.identitiesOnly && !contains(wanted, b) {
			continue
		}
		list, have = append(list, s), append(have, b)
	}
	for _, path := range i.peer.keys {
		s, err := fromFile(path)
		if missing, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok {
			if missing.PublicKey == nil || !contains(have, missing.PublicKey.Marshal()) {
				i.note("%s has a passphrase (ssh-add %s)", path, path)
			}
			continue
		}
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			i.note("%s: %v", path, err)
		case !contains(have, s.PublicKey().Marshal()):
			list = append(list, s)
		}
	}
	i.tried = len(list)
	return list, nil
}

func (i *identity) note(format string, args ...any) {
	i.notes = append(i.notes, fmt.Sprintf(format, args...))
}

// fromAgent returns the keys of the agent, which is open until close.
func (i *identity) fromAgent() []ssh.Signer {
	if i.peer.agent == "" {
		return nil
	}
	c, err := net.Dial("unix", i.peer.agent)
	if err != nil {
		i.note("the agent: %v", err)
		return nil
	}
	i.agent = c
	list, err := agent.NewClient(c).Signers()
	if err != nil {
		i.note("the agent: %v", err)
	}
	return list
}

func (i *identity) close() {
	if i.agent != nil {
		i.agent.Close()
	}
}

// explain adds to the error of a host that does not let us in what was tried.
func (i *identity) explain(err error) error {
	// Package ssh has no type for it.
	if err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
		return err
	}
	s := fmt.Sprintf("as %q, with %d keys", i.peer.user, i.tried)
	if _, ok := os.LookupEnv(PasswordVariable); ok {
		s += " and a password"
	}
	if len(i.notes) > 0 {
		s += "; " + strings.Join(i.notes, "; ")
	}
	return fmt.Errorf("%w (%s)", ErrDenied, s)
}

// fromFile reads a private key.
func fromFile(path string) (ssh.Signer, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxKey {
		return nil, errors.New("not a file of a key")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(b)
}

// publicKeys returns the keys of the .pub files beside those of private ones.
func publicKeys(paths []string) (list [][]byte) {
	for _, path := range paths {
		if b, err := os.ReadFile(path + ".pub"); err == nil {
			if k, _, _, _, err := ssh.ParseAuthorizedKey(b); err == nil {
				list = append(list, k.Marshal())
			}
		} else if s, err := fromFile(path); err == nil {
			list = append(list, s.PublicKey().Marshal())
		}
	}
	return list
}

func contains(list [][]byte, b []byte) bool {
	for _, e := range list {
		if bytes.Equal(e, b) {
			return true
		}
	}
	return false
}
