package ocidisk

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// A reference is an image in a registry.
type reference struct {
	host string // as the user calls it
	base url.URL
	name string
	ref  string // a tag or digest
	file string // of the image, or ""
}

var (
	isName   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]+([._/-]+[a-z0-9]+)*$`) })
	isTag    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`) })
	isDigest = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sha256:[0-9a-f]{64}$`) })
)

// parse reads a URL.
func parse(u *url.URL) (*reference, error) {
	r := &reference{host: u.Host, name: strings.TrimPrefix(u.Path, "/"), ref: "latest"}
	if u.Host == "" || r.name == "" {
		return nil, errors.New("an address without a registry or a name (oci://HOST/NAME:TAG)")
	}
	if u.User != nil || u.Fragment != "" {
		return nil, errors.New("an address with a user or a fragment")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil || len(q) > 1 || len(q) == 1 && q.Get("file") == "" {
		return nil, errors.New("an address with a query other than file=FILE")
	}
	r.file = q.Get("file")
	name, digest, at := strings.Cut(r.name, "@")
	name, tag, colon := strings.Cut(name, ":")
	switch {
	case at && !isDigest().MatchString(digest):
		return nil, fmt.Errorf("%q is not a digest (sha256:…)", digest)
	case at:
		r.ref = digest
	case colon && !isTag().MatchString(tag):
		return nil, fmt.Errorf("%q is not a tag", tag)
	case colon:
		r.ref = tag
	}
	if r.name = name; !isName().MatchString(name) || len(name) > 255 {
		return nil, fmt.Errorf("%q is not a name of an image", name)
	}
	r.base = url.URL{Scheme: "https", Host: r.host}
	switch host := u.Hostname(); {
	case host == "docker.io" || host == "index.docker.io":
		r.host, r.base.Host = "docker.io", "registry-1.docker.io"
		if !strings.Contains(r.name, "/") {
			r.name = "library/" + r.name
		}
	case local(host):
		r.base.Scheme = "http"
	}
	return r, nil
}

// local reports whether a host is this one.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// url returns that of a manifest or blob.
func (r *reference) url(kind, ref string) *url.URL {
	u := r.base
	u.Path = "/v2/" + r.name + "/" + kind + "/" + ref
	return &u
}
