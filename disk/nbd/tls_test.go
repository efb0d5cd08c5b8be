package nbd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// certificates makes a folder of certificates, with an authority and what that vouches for.
func certificates(t *testing.T) string {
	t.Helper()
	dir := socketDir(t)
	var caCert *x509.Certificate
	var caKeyPair *ecdsa.PrivateKey
	for i, c := range []struct{ cert, key string }{{caFile, "ca-key.pem"}, {serverCert, serverKey}, {clientCert, clientKey}} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: c.cert},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		if i == 0 {
			template.IsCA, template.KeyUsage, template.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
			caCert, caKeyPair = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, caCert, &key.PublicKey, caKeyPair)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string]*pem.Block{c.cert: {Type: "CERTIFICATE", Bytes: der}, c.key: {Type: "PRIVATE KEY", Bytes: private}} {
			if err := os.WriteFile(dir+"/"+name, pem.EncodeToMemory(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TLS, of both halves and with the other ones.
func TestTLS(t *testing.T) {
	dir := certificates(t)
	config, err := ServerTLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(4 << 20)
	m.fill(8)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- (&Server{Shares: []Share{{Device: m, Writable: true}}, TLS: config}).Serve(ctx, l)
	}()
	defer func() { cancel(); <-done }()
	a := &Address{Network: "tcp", Host: l.Addr().String(), TLS: true, Certificates: dir}
	secure := open(t, a, Options{Writable: true})
	program(t, secure, m.content(), 8, 100)
	if err := secure.Flush(); err != nil {
		t.Error(err)
	}
	t.Run("qemu-img", func(t *testing.T) {
		_, port, _ := net.SplitHostPort(a.Host)
		run(t, "qemu-img", "convert", "--object", "tls-creds-x509,id=t,endpoint=client,dir="+dir, "--image-opts", "-O", "raw",
			"driver=nbd,host=127.0.0.1,port="+port+",tls-creds=t", dir+"/out")
		if got, err := os.ReadFile(dir + "/out"); err != nil || !bytes.Equal(got, m.content()) {
			t.Errorf("other bytes, %v", err)
		}
	})
	t.Run("nbdcopy", func(t *testing.T) {
		run(t, "nbdcopy", "nbds://"+a.Host+"/?tls-certificates="+dir, dir+"/out2")
		if got, err := os.ReadFile(dir + "/out2"); err != nil || !bytes.Equal(got, m.content()) {
			t.Errorf("other bytes, %v", err)
		}
	})
	t.Run("qemu-nbd", func(t *testing.T) {
		img, socket := dir+"/img", dir+"/s"
		if err := os.WriteFile(img, m.content(), 0o644); err != nil {
			t.Fatal(err)
		}
		start(t, socket, "qemu-nbd", "--object", "tls-creds-x509,id=t,endpoint=server,dir="+dir, "--tls-creds", "t", "-f", "raw", "-k", socket, "-t", "-e", "9", img)
		d := open(t, &Address{Network: "unix", Host: socket, TLS: true, Certificates: dir, ServerName: "localhost"}, Options{Writable: true})
		program(t, d, m.content(), 9, 100)
		if err := d.Flush(); err != nil {
			t.Error(err)
		}
		if _, err := Dial(ctx, &Address{Network: "unix", Host: socket}, Options{}); !errors.Is(err, ErrTLS) || !strings.Contains(err.Error(), "nbds://") {
			t.Errorf("without TLS: %v", err)
		}
	})
	for name, bad := range map[string]Address{
		"no TLS":       {Network: "tcp", Host: a.Host},
		"no authority": {Network: "tcp", Host: a.Host, TLS: true},
		"other name":   {Network: "tcp", Host: a.Host, TLS: true, Certificates: dir, ServerName: "example.org"},
	} {
		if _, err := Dial(ctx, &bad, Options{}); !errors.Is(err, ErrTLS) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Without a certificate of a client that the server wants.
	for _, f := range []string{clientCert, clientKey} {
		if err := os.Remove(dir + "/" + f); err != nil {
			t.Fatal(err)
		}
	}
	if d, err := Dial(ctx, a, Options{}); err == nil {
		t.Error("a client without a certificate")
		d.Close()
	}
	plain := serve(t, &Server{Shares: []Share{{Device: m}}})
	plain.TLS = true
	if _, err := Dial(ctx, plain, Options{}); !errors.Is(err, ErrTLS) || !strings.Contains(err.Error(), "nbd://") {
		t.Errorf("TLS with a server without: %v", err)
	}
}
