package customize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
)

func (p *Plan) sshInject(value string) error {
	user, selector, _ := strings.Cut(value, ":")
	if err := userName(user); err != nil {
		return err
	}
	key, err := sshKey(selector)
	if err != nil {
		return err
	}
	return p.op(func(_ context.Context, g *Guest) error {
		switch g.System.Type {
		case inspect.Windows, inspect.DOS:
			g.warn("an SSH key cannot be injected into this guest")
			return nil
		}
		g.say("injecting an SSH key for %s", printable(user))
		return g.sshInject(user, key)
	})
}

// sshKey returns the lines that a selector means.
func sshKey(selector string) ([]byte, error) {
	word, rest, _ := strings.Cut(selector, ":")
	var key []byte
	var err error
	switch {
	case selector == "":
		if rest, err = ownKey(); err == nil {
			key, err = readHost(rest)
		}
	case word == "file" && rest != "":
		key, err = readHost(rest)
	case word == "string":
		key = []byte(rest)
	default:
		return nil, errors.New("not a selector: file:FILENAME or string:KEY")
	}
	if err != nil {
		return nil, err
	}
	if bytes.Contains(key, []byte("PRIVATE KEY-----")) {
		return nil, errors.New("that is a private key, which must not leave its owner: the public one has .pub at its end")
	}
	if len(bytes.TrimSpace(key)) == 0 || bytes.ContainsRune(key, 0) {
		return nil, errors.New("no SSH key")
	}
	if !bytes.HasSuffix(key, []byte("\n")) {
		key = append(key, '\n')
	}
	return key, nil
}

// ownKey returns the host path of the user's newest public key, as ssh-copy-id(1) finds it.
func ownKey() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	list, err := filepath.Glob(filepath.Join(home, ".ssh", "id*.pub"))
	if err != nil {
		return "", err
	}
	best, newest := "", time.Time{}
	for _, name := range list {
		st, err := os.Stat(name)
		if err == nil && !strings.HasSuffix(name, "-cert.pub") && (best == "" || st.ModTime().After(newest)) {
			best, newest = name, st.ModTime()
		}
	}
	if best == "" {
		return "", fmt.Errorf("no public key in %s", filepath.Join(home, ".ssh"))
	}
	return best, nil
}

// sshInject adds keys to a user's ~/.ssh/authorized_keys.
func (g *Guest) sshInject(user string, key []byte) error {
	table, err := g.read("/etc/passwd")
	if err != nil {
		return err
	}
	f := fields(table, user)
	if f == nil {
		return fmt.Errorf("/etc/passwd: no user %s", printable(user))
	}
	if len(f) < 6 {
		return fmt.Errorf("/etc/passwd: the line of %s is too short", printable(user))
	}
	uid, err1 := strconv.ParseUint(f[2], 10, 32)
	gid, err2 := strconv.ParseUint(f[3], 10, 32)
	if err1 != nil || err2 != nil || !strings.HasPrefix(f[5], "/") {
		return fmt.Errorf("/etc/passwd: the line of %s has no user, group or home directory", printable(user))
	}
	dir := path.Join(unboot.CleanPath(f[5]), ".ssh")
	owned := &unboot.Metadata{Mode: fs.ModeDir | 0o700, UID: int(uid), GID: int(gid)}
	if !g.exists(dir) {
		if err := g.FS.Put(dir, owned, nil); err != nil {
			return about(dir, err)
		}
	}
	name := path.Join(dir, "authorized_keys")
	old, _, err := g.readIf(name)
	if err != nil {
		return err
	}
	list := addLines(old, key)
	if bytes.Equal(list, old) {
		return nil
	}
	owned.Mode, owned.Size = 0o600, int64(len(list))
	return g.replace(name, bytes.NewReader(list), owned, nil)
}

// addLines appends those lines to a text that it does not have.
func addLines(text, lines []byte) []byte {
	have := map[string]bool{}
	for line := range bytes.Lines(text) {
		have[string(bytes.TrimSpace(line))] = true
	}
	out := bytes.Clone(text)
	for line := range bytes.Lines(lines) {
		if have[string(bytes.TrimSpace(line))] {
			continue
		}
		if len(out) > 0 && out[len(out)-1] != '\n' {
			out = append(out, '\n')
		}
		out = append(out, line...)
	}
	return out
}
