package disk

import (
	"net/url"
	"strings"
)

// Display returns the name of an image for messages: a URL without what may be secret, which
// are a password and the values of a query.
func Display(name string) string {
	u, err := url.Parse(name)
	if err != nil || u.Host == "" || u.User == nil && u.RawQuery == "" || strings.HasSuffix(u.Scheme, "+unix") {
		return name
	}
	if _, secret := u.User.Password(); secret {
		u.User = url.User(u.User.Username())
	}
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	return u.String()
}
