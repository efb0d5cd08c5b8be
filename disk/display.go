package disk

import (
	"net/url"
	"regexp"
	"strings"
)

// cephKey is what authenticates a client of Ceph, as an option in the address. A backslash
// makes a colon a part of the value.
var cephKey = regexp.MustCompile(`(?s)(:key=)(?:\\.|[^\\:])*`)

// Display returns the name of an image for messages: a URL without what may be secret, which
// are a password, the values of a query, and the key in one of rbd:.
func Display(name string) string {
	if scheme, _, _ := strings.Cut(name, ":"); strings.EqualFold(scheme, "rbd") {
		return cephKey.ReplaceAllString(name, "${1}…")
	}
	u, err := url.Parse(name)
	if err != nil || u.Host == "" || u.User == nil && u.RawQuery == "" || strings.HasSuffix(u.Scheme, "+unix") {
		return name
	}
	if _, secret := u.User.Password(); secret {
		u.User = url.User(u.User.Username())
	}
	if name, _, secret := strings.Cut(u.User.Username(), "%"); secret && (u.Scheme == "iscsi" || u.Scheme == "iser") {
		u.User = url.User(name) // which is how libiscsi has a password
	}
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	return u.String()
}
