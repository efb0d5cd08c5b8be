package customize

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An account is what is to become of one user's password.
type account struct {
	user     string
	password string
	random   bool
	disabled bool
	locked   bool
}

// selector reads a password's SELECTOR, see virt-builder(1). No error has any of it.
func (a *account) selector(s string) (err error) {
	word, rest, more := strings.Cut(s, ":")
	switch {
	case (word == "lock" || word == "locked") && !a.locked:
		a.locked = true
		if !more {
			a.disabled = true
			return nil
		}
		return a.selector(rest)
	case word == "file" && rest != "":
		if a.password, err = firstLine(rest); err == nil && a.password == "" {
			err = fmt.Errorf("%s: the first line is empty", rest)
		}
		return err
	case word == "password" && more:
		a.password = rest
		return nil
	case s == "random":
		a.random = true
		return nil
	case s == "disable" || s == "disabled":
		a.disabled = true
		return nil
	}
	return errors.New("not a selector: random, file:FILENAME, password:PASSWORD, locked:SELECTOR, locked or disabled")
}

func (p *Plan) password(user, selector string) error {
	if err := userName(user); err != nil {
		return err
	}
	a := account{user: user}
	if err := a.selector(selector); err != nil {
		return err
	}
	if strings.ContainsAny(a.password, "\x00\n\r") {
		return errors.New("a password with a NUL byte or a line break")
	}
	if slices.ContainsFunc(p.passwords, func(o account) bool { return o.user == user }) {
		return fmt.Errorf("the password of %s is set twice", printable(user))
	}
	p.passwords = append(p.passwords, a)
	return nil
}

// userName checks the name of a user.
func userName(s string) error {
	if s == "" || strings.ContainsAny(s, ":\n\r\x00/ ") || len(s) > 255 {
		return errors.New("not the name of a user")
	}
	return nil
}

// setPasswords changes /etc/shadow.
func (p *Plan) setPasswords(g *Guest) error {
	const name = "/etc/shadow"
	data, err := g.read(name)
	if err != nil {
		return err
	}
	crypto := p.crypto
	if crypto == "" {
		crypto = defaultCrypto(g.System)
	}
	reveal := map[string]string{}
	for _, a := range p.passwords {
		field := "*"
		if !a.disabled {
			if a.random {
				a.password = randomText(16, passwordChars)
				reveal[a.user] = a.password
			}
			if field, err = hash(a.password, crypto); err != nil {
				return fmt.Errorf("the password of %s: %w", printable(a.user), err)
			}
		}
		if a.locked {
			field = "!!" + field
		}
		var found bool
		if data, found = setField(data, a.user, 1, field); !found {
			return fmt.Errorf("%s: no user %s", name, printable(a.user))
		}
	}
	if len(reveal) > 0 && g.Reveal == nil {
		return errors.New("a random password, and nobody to tell it")
	}
	if err := g.write(name, data, 0o600); err != nil {
		return err
	}
	for _, a := range p.passwords {
		if word, ok := reveal[a.user]; ok {
			g.Reveal(a.user, word)
		}
	}
	return nil
}

// setField sets a field of the lines of a table, such as passwd(5), whose first field is a
// name. Nothing else changes, whatever it is.
func setField(table []byte, name string, i int, value string) (changed []byte, found bool) {
	var out bytes.Buffer
	for line := range bytes.Lines(table) {
		text, end := cutEnd(line)
		f := bytes.Split(text, []byte(":"))
		if string(f[0]) != name || len(f) < 2 {
			out.Write(line)
			continue
		}
		for len(f) <= i {
			f = append(f, nil)
		}
		f[i] = []byte(value)
		found = true
		out.Write(bytes.Join(f, []byte(":")))
		out.Write(end)
	}
	return out.Bytes(), found
}

// field returns the fields of the first line of a table that has a name.
func fields(table []byte, name string) []string {
	for line := range bytes.Lines(table) {
		text, _ := cutEnd(line)
		if f := strings.Split(string(text), ":"); f[0] == name && len(f) > 1 {
			return f
		}
	}
	return nil
}

// cutEnd divides a line and what ends it.
func cutEnd(line []byte) (text, end []byte) {
	text = bytes.TrimSuffix(line, []byte("\n"))
	text = bytes.TrimSuffix(text, []byte("\r"))
	return text, line[len(text):]
}
