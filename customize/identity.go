package customize

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
)

// plainName is what a host name may have.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$`)

func (p *Plan) hostname(name string) error {
	if !plainName.MatchString(name) || len(name) > 253 {
		return fmt.Errorf("not a host name: %q", name)
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("setting the host name: %s", name)
		done, err := g.setHostname(name)
		if err == nil && !done {
			g.warn("the host name cannot be set in this guest")
		}
		return err
	})
}

// setHostname sets the host name where the guest reads it from when it boots.
func (g *Guest) setHostname(name string) (done bool, err error) {
	line := []byte(name + "\n")
	major := g.System.Major
	switch {
	case g.is("fedora") && major > 0 && major < 18,
		g.is(redHat...) && !g.is("fedora", "openeuler") && major > 0 && major < 7:
		return true, g.setVariable("/etc/sysconfig/network", "HOSTNAME", name)
	case g.is(redHat...):
		if err := g.write("/etc/hostname", line, 0o644); err != nil {
			return false, err
		}
		return true, g.setVariable("/etc/machine-info", "PRETTY_HOSTNAME", name)
	case g.is(debian...):
		old, err := g.oldHostname()
		if err == nil {
			err = g.write("/etc/hostname", line, 0o644)
		}
		if err == nil {
			err = g.renameInHosts(old, name)
		}
		return true, err
	case g.is(suse...):
		return true, g.write("/etc/HOSTNAME", line, 0o644)
	case g.System.Type == inspect.Linux:
		if err := g.write("/etc/hostname", line, 0o644); err != nil {
			return false, err
		}
		// OpenRC prefers this one.
		if g.isFile("/etc/conf.d/hostname") {
			return true, g.setVariable("/etc/conf.d/hostname", "hostname", `"`+name+`"`)
		}
		return true, nil
	case g.System.Type == inspect.FreeBSD, g.System.Type == inspect.NetBSD:
		return true, g.setVariable("/etc/rc.conf", "hostname", `"`+name+`"`)
	case g.System.Type == inspect.OpenBSD:
		return true, g.write("/etc/myname", line, 0o644)
	}
	return false, nil
}

// oldHostname returns the first line of /etc/hostname, or "".
func (g *Guest) oldHostname() (string, error) {
	data, _, err := g.readIf("/etc/hostname")
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return string(bytes.TrimSuffix(line, []byte("\r"))), err
}

// setVariable sets a variable of a file of NAME=value: its lines go, and a new one comes at
// the end.
func (g *Guest) setVariable(file, key, value string) error {
	data, _, err := g.readIf(file)
	if err != nil {
		return err
	}
	data = dropLines(data, func(line string) bool { return strings.HasPrefix(line, key+"=") })
	return g.write(file, appendLine(data, key+"="+value, "\n"), 0o644)
}

// dropLines returns a text without some of its lines, which drop gets without their ends.
func dropLines(text []byte, drop func(line string) bool) []byte {
	out := make([]byte, 0, len(text))
	for line := range bytes.Lines(text) {
		if s, _ := cutEnd(line); !drop(string(s)) {
			out = append(out, line...)
		}
	}
	return out
}

// renameInHosts has /etc/hosts say the new name where it says the old one, and where
// Debian's installer has left a placeholder.
func (g *Guest) renameInHosts(old, name string) error {
	data, ok, err := g.readIf("/etc/hosts")
	if err != nil || !ok {
		return err
	}
	changed := renameHost(data, old, name)
	if bytes.Equal(changed, data) {
		return nil
	}
	return g.write("/etc/hosts", changed, 0o644)
}

// renameHost changes the names in lines of hosts(5). Blanks and comments stay.
func renameHost(text []byte, old, name string) []byte {
	oldShort, _, _ := strings.Cut(old, ".")
	short, domain, _ := strings.Cut(name, ".")
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		body, comment := string(line), ""
		if i := strings.IndexByte(body, '#'); i >= 0 {
			body, comment = body[:i], body[i:]
		}
		for i, word := range splitBlanks(body) {
			switch {
			case i < 2: // a blank or nothing, and the address
			case old != "" && word == old:
				word = name
			case oldShort != "" && word == oldShort, word == "unassigned-hostname":
				word = short
			case word == "unassigned-hostname.unassigned-domain" && domain != "":
				word = name
			}
			out.WriteString(word)
		}
		out.WriteString(comment)
	}
	return out.Bytes()
}

// splitBlanks divides a text into blanks and words, in turns, and begins with blanks, which
// may be none.
func splitBlanks(s string) []string {
	var list []string
	for blank := true; s != "" || len(list) == 0; blank = !blank {
		i := strings.IndexFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\r\n", r) != blank })
		if i < 0 {
			i = len(s)
		}
		list = append(list, s[:i])
		s = s[i:]
	}
	return list
}

func (p *Plan) timezone(zone string) error {
	if zone == "" || path.Clean("/"+zone) != "/"+zone || strings.ContainsAny(zone, "\x00\n") {
		return fmt.Errorf("not a time zone: %q", zone)
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("setting the time zone: %s", zone)
		switch g.System.Type {
		case inspect.Linux, inspect.FreeBSD, inspect.NetBSD, inspect.OpenBSD:
		default:
			g.warn("the time zone cannot be set in this guest")
			return nil
		}
		target := "/usr/share/zoneinfo/" + zone
		if !g.isFile(target) {
			return fmt.Errorf("the guest has no time zone %s (a location such as Europe/London, if it has tzdata)", printable(zone))
		}
		if err := g.symlink(target, "/etc/localtime"); err != nil {
			return err
		}
		// What Debian's tzdata is configured from.
		if g.isFile("/etc/timezone") {
			return g.write("/etc/timezone", []byte(zone+"\n"), 0o644)
		}
		return nil
	})
}

// emptyMachineID reports whether the guest has a machine ID that is to be set: an empty
// file. See machine-id(5).
func (g *Guest) emptyMachineID() bool {
	st, err := g.FS.Lstat("etc/machine-id")
	return err == nil && st.Mode().IsRegular() && st.Size() == 0
}

func (g *Guest) setMachineID() error {
	g.say("setting the machine ID")
	var id [16]byte
	rand.Read(id[:])
	// As systemd makes it, it is a UUID of version 4.
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return g.write("/etc/machine-id", []byte(hex.EncodeToString(id[:])+"\n"), 0o444)
}

// seeds are the files that guests keep randomness in from one boot to the next.
var seeds = []string{
	"/var/lib/random-seed", "/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed",
	"/var/lib/misc/random-seed", "/etc/random-seed",
}

// setRandomSeed gives the guest randomness of the host, so that what it makes of its own
// when it boots, such as SSH host keys, is not what others make.
func (g *Guest) setRandomSeed() bool {
	g.say("setting a random seed")
	done := false
	if g.System.Type != inspect.Linux {
		return false
	}
	for _, name := range seeds {
		if st, err := g.FS.Lstat(unboot.CleanPath(name)); err == nil && st.Mode().IsRegular() {
			done = g.writeSeed(name, min(max(st.Size(), 512), 8192)) == nil || done
		}
	}
	if done {
		return true
	}
	name := ""
	switch {
	case g.is(debian...):
		name = "/var/lib/urandom/random-seed"
	case g.is(suse...):
		name = "/var/lib/misc/random-seed"
	case g.is("cirros"):
		name = "/etc/random-seed"
	case g.is(redHat...):
		name = "/var/lib/random-seed"
	}
	// Where systemd is, it reads a file of its own.
	if name == "" || !g.isDir(path.Dir(name)) {
		name = "/var/lib/systemd/random-seed"
	}
	if !g.isDir(path.Dir(name)) {
		return false
	}
	return g.writeSeed(name, 512) == nil
}

func (g *Guest) writeSeed(name string, n int64) error {
	seed := make([]byte, n)
	rand.Read(seed)
	return g.write(name, seed, 0o600)
}
