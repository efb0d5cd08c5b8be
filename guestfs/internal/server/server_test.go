package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/api"
	"github.com/unboot/unboot/guestfs/internal/doc"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/hosttool"
	"golang.org/x/sys/unix"
)

// TestDocumentation checks that docs/guestfs.md is up to date.
func TestDocumentation(t *testing.T) {
	a, err := api.Load()
	if err != nil {
		t.Fatal(err)
	}
	want, err := doc.Table(a, ".")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../docs/guestfs.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/guestfs.md is out of date: go generate ./guestfs/internal/server")
	}
	s := &Server{procedures: procedures()}
	methods, err := doc.Methods(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Procedures {
		if s.answers(f.Number) != methods[api.GoName(f.Name)] {
			t.Errorf("%s: the table says %t, the server does not", f.Name, methods[api.GoName(f.Name)])
		}
	}
}

// connect returns a client of a server for some drives.
func connect(t *testing.T, drives ...Drive) *protocol.Client {
	t.Helper()
	s, err := New(Config{Drives: drives, Log: func(l string) { t.Log(l) }})
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), far) }()
	c := protocol.NewClient(near)
	t.Cleanup(func() {
		c.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

func invoke(c *protocol.Client, proc uint32, a rpc.Args, result func(*xdr.Codec)) error {
	return c.Call(context.Background(), &protocol.Request{Proc: proc, OptArgs: rpc.Given(a), Args: rpc.Encoder(a), Result: result})
}

func TestBasic(t *testing.T) {
	c := connect(t)
	if err := invoke(c, rpc.ProcPingDaemon, &rpc.None{}, nil); err != nil {
		t.Error(err)
	}
	var s string
	err := invoke(c, rpc.ProcEchoDaemon, &rpc.EchoDaemonArgs{Words: []string{"a", "b c"}}, func(x *xdr.Codec) { x.String(&s) })
	if s != "a b c" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	if err := invoke(c, rpc.ProcInternalAutosync, &rpc.None{}, nil); err != nil {
		t.Error(err)
	}
}

func TestMissing(t *testing.T) {
	c := connect(t)
	for _, proc := range []uint32{4, 70000} {
		if err := invoke(c, proc, &rpc.None{}, nil); !errors.Is(err, unix.ENOTSUP) {
			t.Error(err)
		}
	}
	// A procedure with a file that is not answered, so that the transfer is in order after it.
	for _, r := range []*protocol.Request{
		{Proc: rpc.ProcYaraLoad, In: bytes.NewReader(make([]byte, 1<<20))}, {Proc: rpc.ProcInternalYaraScan, Out: io.Discard},
	} {
		if err := c.Call(context.Background(), r); err == nil {
			t.Errorf("%d: no error", r.Proc)
		}
	}
	if err := invoke(c, rpc.ProcPingDaemon, &rpc.None{}, nil); err != nil {
		t.Error(err)
	}
}

func TestGroups(t *testing.T) {
	c := connect(t)
	groups := map[string]int{"realpath": 0, "augeas": 1, "clevisluks": 1, "luks": 0, "ldm": 0, "lvm2": 1, "mdadm": 1, "selinux": 1, "zfs": 2, "": 2}
	for name, tools := range map[string][]string{"augeas": {"augtool", "stdbuf"}, "lvm2": {"lvm"}, "mdadm": {"mdadm"}} {
		if hosttool.Has(tools...) {
			groups[name] = 0
		}
	}
	for name, want := range groups {
		var got int
		err := invoke(c, rpc.ProcInternalFeatureAvailable, &rpc.InternalFeatureAvailableArgs{Group: name}, func(x *xdr.Codec) { x.Int(&got) })
		if err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", name, got, err, want)
		}
	}
	var all []string
	if err := invoke(c, rpc.ProcAvailableAllGroups, &rpc.None{}, func(x *xdr.Codec) { x.Strings(&all) }); err != nil || len(all) != 39 || all[0] != "acl" {
		t.Errorf("%v, %v", all, err)
	}
}

func TestBadArguments(t *testing.T) {
	c := connect(t)
	for name, r := range map[string]*protocol.Request{
		"none":          {Proc: rpc.ProcEchoDaemon},
		"too many":      {Proc: rpc.ProcPingDaemon, Args: func(x *xdr.Codec) { x.String(new(string)) }},
		"unknown flags": {Proc: rpc.ProcPingDaemon, OptArgs: 1},
	} {
		var e *protocol.Error
		if err := c.Call(context.Background(), r); !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
