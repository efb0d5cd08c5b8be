package nbd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The names of files in a folder of certificates, as qemu-nbd(8) and nbdkit(1) have them.
const (
	caFile     = "ca-cert.pem"
	clientCert = "client-cert.pem"
	clientKey  = "client-key.pem"
	serverCert = "server-cert.pem"
	serverKey  = "server-key.pem"
)

// clientTLS returns how the client does TLS.
func (a *Address) clientTLS() (*tls.Config, error) {
	c := &tls.Config{ServerName: a.tlsName(), MinVersion: tls.VersionTLS12}
	if a.Certificates == "" {
		return c, nil
	}
	var err error
	if c.RootCAs, err = authorities(a.Certificates); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(a.Certificates, clientCert), filepath.Join(a.Certificates, clientKey))
	switch {
	case err == nil:
		c.Certificates = []tls.Certificate{pair}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the client's certificate: %w", err)
	}
	return c, nil
}

// ServerTLS returns how a server does TLS with the certificates in a folder: server-cert.pem
// and server-key.pem. If there is a ca-cert.pem, too, only clients with a certificate that it
// vouches for are let in, as qemu-nbd(8) does with verify-peer.
func ServerTLS(dir string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, serverCert), filepath.Join(dir, serverKey))
	if err != nil {
		return nil, fmt.Errorf("the server's certificate: %w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	pool, err := authorities(dir)
	switch {
	case err == nil:
		c.ClientCAs, c.ClientAuth = pool, tls.RequireAndVerifyClientCert
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return c, nil
}

// authorities returns the certificates that are trusted to vouch for others.
func authorities(dir string) (*x509.CertPool, error) {
	path := filepath.Join(dir, caFile)
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: there is no certificate in it", path)
	}
	return pool, nil
}
