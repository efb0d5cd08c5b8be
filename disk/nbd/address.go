package nbd

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// An Address is where an export is.
type Address struct {
	Network string // "tcp" or "unix"
	Host    string // host:port, or the path of a socket
	Export  string // "" is the server's default
	TLS     bool
	// Certificates is a folder with ca-cert.pem, client-cert.pem and client-key.pem, those
	// that there are, or "" for the certificates that the host trusts.
	Certificates string
	// ServerName is what the server's certificate must be for; "" for the host.
	ServerName string
}

// ParseURL returns the address that a URL of doc/uri.md means, or one that QEMU writes
// without slashes: nbd:HOST:PORT[:exportname=EXPORT], nbd:unix:PATH[:exportname=EXPORT].
func ParseURL(u *url.URL) (*Address, error) {
	transport, unix := strings.CutSuffix(u.Scheme, "+unix")
	a := &Address{Network: "tcp", TLS: transport == "nbds"}
	if transport != "nbd" && transport != "nbds" {
		return nil, fmt.Errorf("the scheme %q is not one of NBD", u.Scheme)
	}
	if u.Opaque != "" {
		return a, a.parseOpaque(u.Opaque)
	}
	if u.Fragment != "" {
		return nil, errors.New("an address of NBD has no fragment (#)")
	}
	a.Export = strings.TrimPrefix(u.Path, "/")
	if len(a.Export) > maxName {
		return nil, fmt.Errorf("a name of more than %d bytes", maxName)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, err
	}
	switch socket := q.Get("socket"); {
	case unix && u.Host != "":
		return nil, fmt.Errorf("a host in an address of a socket (nbd+unix:///EXPORT?socket=PATH)")
	case unix && socket == "":
		return nil, fmt.Errorf("no socket in the address (nbd+unix:///EXPORT?socket=PATH)")
	case unix:
		a.Network, a.Host, a.ServerName = "unix", socket, "localhost"
	case socket != "":
		return nil, fmt.Errorf("a socket in an address of a host (nbd+unix:///EXPORT?socket=PATH)")
	default:
		host, port := u.Hostname(), u.Port()
		if host == "" {
			host = "localhost"
		}
		if port == "" {
			port = DefaultPort
		}
		a.Host, a.ServerName = net.JoinHostPort(host, port), host
	}
	if name := q.Get("tls-hostname"); name != "" {
		a.ServerName = name
	}
	a.Certificates = q.Get("tls-certificates")
	if q.Has("tls-psk-file") {
		return nil, errors.New("pre-shared keys of TLS are not supported (tls-certificates=FOLDER is)")
	}
	if q.Has("tls-verify-peer") && q.Get("tls-verify-peer") != "1" && q.Get("tls-verify-peer") != "true" {
		return nil, errors.New("a server's certificate is always verified (tls-certificates=FOLDER has those that are trusted)")
	}
	return a, nil
}

// parseOpaque reads what QEMU writes after "nbd:".
func (a *Address) parseOpaque(s string) error {
	s, export, _ := strings.Cut(s, ":exportname=")
	a.Export = export
	if path, ok := strings.CutPrefix(s, "unix:"); ok && path != "" {
		a.Network, a.Host, a.ServerName = "unix", path, "localhost"
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || port == "" {
		return errors.New("not an address of NBD: want nbd://HOST/EXPORT or nbd:HOST:PORT:exportname=EXPORT")
	}
	a.Host, a.ServerName = net.JoinHostPort(host, port), host
	return nil
}

// tlsName is what TLS verifies the certificate against.
func (a *Address) tlsName() string {
	if a.ServerName != "" {
		return a.ServerName
	}
	host, _, err := net.SplitHostPort(a.Host)
	if err != nil {
		return "localhost"
	}
	return host
}
