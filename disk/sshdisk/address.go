package sshdisk

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// An Address is a file of a host.
type Address struct {
	User string // "" for the one of the configuration, or of this host
	Host string // as the user calls it
	Port string // "" for the one of the configuration, or 22
	Path string // absolute, or relative to the home folder
}

// ParseURL reads a URL: see the documentation of the package.
func ParseURL(u *url.URL) (*Address, error) {
	a := &Address{Host: u.Hostname(), Port: u.Port()}
	if u.User != nil {
		if _, ok := u.User.Password(); ok {
			return nil, ErrPassword
		}
		a.User = u.User.Username()
	}
	switch {
	case a.Host == "":
		return nil, errors.New("an address without a host")
	case strings.HasPrefix(a.Host, "-") || strings.ContainsAny(a.Host+a.User, " \t\r\n\x00"):
		return nil, fmt.Errorf("%q is not a name of a host", a.Host)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("an address with more than a path (write %3F for a question mark, %23 for #)")
	case strings.IndexByte(u.Path, 0) >= 0:
		return nil, errors.New("a path with a zero byte")
	}
	a.Path = u.Path
	if home, ok := strings.CutPrefix(u.Path, "/~/"); ok {
		a.Path = strings.TrimLeft(home, "/")
	}
	if a.Path == "" || a.Path == "/" {
		return nil, errors.New("an address without a path")
	}
	return a, nil
}
