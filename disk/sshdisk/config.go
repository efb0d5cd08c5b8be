package sshdisk

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// systemConfig is the configuration for all users of this host.
const systemConfig = "/etc/ssh/ssh_config"

// A config is what ssh_config(5) of the user and of the host say, the user's first.
type config struct {
	settings []setting
	home     string
}

// readConfig reads the files.
func readConfig() (*config, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	c := &config{home: home}
	for _, path := range []string{filepath.Join(home, ".ssh", "config"), systemConfig} {
		if err := c.readFile(path, nil, 0); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// get returns the words of the first setting of a key, in lower case, for a host, or nil.
func (c *config) get(host, key string) []string {
	for _, s := range c.settings {
		if s.key == key && len(s.words) > 0 && s.matches(host) {
			return s.words
		}
	}
	return nil
}

// word returns the first of these words, or "".
func (c *config) word(host, key string) string {
	if words := c.get(host, key); words != nil {
		return words[0]
	}
	return ""
}

// all returns the first words of all settings of a key that can be repeated.
func (c *config) all(host, key string) (list []string) {
	for _, s := range c.settings {
		if s.key == key && len(s.words) > 0 && s.matches(host) {
			list = append(list, s.words[0])
		}
	}
	return list
}

// A peer is a host to connect to, as the configuration completes what the user says.
type peer struct {
	alias          string // as the user calls it
	host, port     string // where it is
	user           string
	name           string   // by which it is known, with the port
	known          []string // the files with the keys of hosts
	keys           []string // the files with ours
	agent          string   // the socket of the agent, or ""
	identitiesOnly bool     // of the agent, only the keys that files are named for
	jumps          []string // hosts on the way
}

// peer completes a name of a host.
func (c *config) peer(login, host, port string) *peer {
	p := &peer{alias: host, host: host, port: port, user: login, agent: os.Getenv("SSH_AUTH_SOCK")}
	get := func(to *string, key, otherwise string) {
		if *to == "" {
			*to = c.word(host, key)
		}
		if *to == "" {
			*to = otherwise
		}
	}
	get(&p.port, "port", "22")
	get(&p.user, "user", localUser())
	if h := c.word(host, "hostname"); h != "" {
		p.host = expand(h, map[byte]string{'h': host})
	}
	tokens := map[byte]string{'d': c.home, 'h': p.host, 'n': host, 'p': p.port, 'r': p.user, 'u': localUser()}
	p.name = hostName(p.host, p.port)
	if a := c.word(host, "hostkeyalias"); a != "" {
		p.name = expand(a, tokens)
	}
	p.known = c.paths(c.get(host, "userknownhostsfile"), tokens, "~/.ssh/known_hosts", "~/.ssh/known_hosts2")
	p.known = append(p.known, c.paths(c.get(host, "globalknownhostsfile"), tokens, "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")...)
	p.keys = c.paths(c.all(host, "identityfile"), tokens, "~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")
	p.identitiesOnly = strings.EqualFold(c.word(host, "identitiesonly"), "yes")
	switch a := c.word(host, "identityagent"); {
	case a == "none":
		p.agent = ""
	case a != "" && a != "SSH_AUTH_SOCK":
		p.agent = c.paths([]string{a}, tokens)[0]
	}
	if j := c.word(host, "proxyjump"); j != "" && j != "none" {
		p.jumps = strings.Split(j, ",")
	}
	return p
}

// paths completes names of files, or those that are meant otherwise.
func (c *config) paths(list []string, tokens map[byte]string, otherwise ...string) (paths []string) {
	if len(list) == 0 {
		list = otherwise
	}
	for _, path := range list {
		if path == "none" {
			continue
		}
		if rest, ok := strings.CutPrefix(path, "~/"); ok {
			path = filepath.Join(c.home, rest)
		} else if name, ok := strings.CutPrefix(path, "$"); ok {
			path = os.Getenv(name)
		}
		paths = append(paths, expand(path, tokens))
	}
	return paths
}

// expand replaces tokens such as %h.
func expand(s string, tokens map[byte]string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+1 < len(s) {
			i++
			if v, ok := tokens[s[i]]; ok {
				b.WriteString(v)
				continue
			}
			if s[i] != '%' {
				b.WriteByte('%')
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func localUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// login returns the arguments by which ssh(1) goes there.
func (p *peer) login() string {
	s := p.user + "@" + p.alias
	if p.port != "22" {
		s = "-p " + p.port + " " + s
	}
	return s
}
