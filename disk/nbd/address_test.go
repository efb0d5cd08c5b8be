package nbd

import (
	"net/url"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for in, want := range map[string]Address{
		"nbd://host":           {Network: "tcp", Host: "host:10809", ServerName: "host"},
		"nbd://host:1/":        {Network: "tcp", Host: "host:1", ServerName: "host"},
		"nbd://host:1/a%20b/c": {Network: "tcp", Host: "host:1", Export: "a b/c", ServerName: "host"},
		"nbd://[::1]/x":        {Network: "tcp", Host: "[::1]:10809", Export: "x", ServerName: "::1"},
		"nbd://host//x":        {Network: "tcp", Host: "host:10809", Export: "/x", ServerName: "host"},
		"nbds://h/x?tls-certificates=/d&tls-hostname=n": {Network: "tcp", Host: "h:10809", Export: "x", TLS: true, Certificates: "/d", ServerName: "n"},
		"nbd+unix:///x?socket=/run/a%20b":               {Network: "unix", Host: "/run/a b", Export: "x", ServerName: "localhost"},
		"nbd+unix://?socket=s":                          {Network: "unix", Host: "s", ServerName: "localhost"},
		"nbds+unix:///?socket=/s":                       {Network: "unix", Host: "/s", TLS: true, ServerName: "localhost"},
		"nbd:localhost:10809":                           {Network: "tcp", Host: "localhost:10809", ServerName: "localhost"},
		"nbd:localhost:10809:exportname=a:b":            {Network: "tcp", Host: "localhost:10809", Export: "a:b", ServerName: "localhost"},
		"nbd:unix:/tmp/s:exportname=x":                  {Network: "unix", Host: "/tmp/s", Export: "x", ServerName: "localhost"},
		"nbd:unix:/tmp/s":                               {Network: "unix", Host: "/tmp/s", ServerName: "localhost"},
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseURL(u); err != nil || *got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"nbd://h/x#y":                          "fragment",
		"nbd+unix:///x":                        "no socket",
		"nbd+unix://h/x?socket=s":              "a host in",
		"nbd://h/x?socket=s":                   "a socket in",
		"nbds://h/?tls-psk-file=x":             "pre-shared",
		"nbds://h/?tls-verify-peer=0":          "always verified",
		"nbd:x":                                "not an address",
		"nbd:unix:":                            "not an address",
		"http://h/":                            "not one of NBD",
		"nbd://h/" + strings.Repeat("x", 5000): "more than 4096",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseURL(u); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
}
