package httpdisk

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// TokenVariable is the variable of the environment that has a bearer token.
const TokenVariable = "UNBOOT_HTTP_TOKEN"

// An authorization is who one is for one host.
type authorization struct {
	host           string // with the port, as it is in the URL
	user, password string
	basic          bool
	token          string
}

// authorize finds out who one is for the host of a URL.
func authorize(u *url.URL) authorization {
	a := authorization{host: u.Host}
	if u.User != nil {
		a.basic, a.user = true, u.User.Username()
		a.password, _ = u.User.Password()
		return a
	}
	if a.user, a.password, a.basic = Netrc(u.Hostname()); a.basic {
		return a
	}
	// Who listens on the way must not see it.
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		a.token = os.Getenv(TokenVariable)
	}
	return a
}

// set adds to a request who one is, if it is for that host.
func (a *authorization) set(r *http.Request) {
	switch {
	case r.URL.Host != a.host:
	case a.basic:
		r.SetBasicAuth(a.user, a.password)
	case a.token != "":
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
}

// maxNetrc is how large a .netrc may be, in bytes.
const maxNetrc = 1 << 20

// Netrc returns the entry for a host in the user's netrc(5), for other transports, too.
func Netrc(host string) (user, password string, ok bool) {
	path := os.Getenv("NETRC")
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", "", false
		}
		path = filepath.Join(home, ".netrc")
	}
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() || st.Size() > maxNetrc {
		return "", "", false
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", "", false
	}
	return parseNetrc(string(b), host)
}

// parseNetrc looks for a host. The first entry that fits counts, as in curl(1); "default"
// fits every host.
func parseNetrc(text, host string) (user, password string, ok bool) {
	words := netrcWords(text)
	for i := 0; i < len(words); i++ {
		value := func() string {
			if i++; i < len(words) {
				return words[i]
			}
			return ""
		}
		switch words[i] {
		case "machine":
			if ok {
				return user, password, true
			}
			ok = strings.EqualFold(value(), host)
		case "default":
			if ok {
				return user, password, true
			}
			ok = true
		case "login":
			if v := value(); ok {
				user = v
			}
		case "password":
			if v := value(); ok {
				password = v
			}
		case "account":
			value()
		}
	}
	return user, password, ok
}

// netrcWords divides a netrc: words can be in quotes, lines of macros and comments are left
// out.
func netrcWords(text string) (words []string) {
	macro := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if macro = macro && line != ""; macro {
			continue
		}
		for line != "" && line[0] != '#' {
			var w string
			if line[0] == '"' {
				w, line = quoted(line[1:])
			} else if i := strings.IndexAny(line, " \t"); i >= 0 {
				w, line = line[:i], line[i:]
			} else {
				w, line = line, ""
			}
			line = strings.TrimLeft(line, " \t")
			if w == "macdef" {
				macro = true
				break
			}
			words = append(words, w)
		}
	}
	return words
}

// quoted returns a word up to the quote that ends it, and what follows.
func quoted(s string) (word, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
