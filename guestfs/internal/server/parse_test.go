package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

func TestCaps(t *testing.T) {
	for text, want := range map[string]string{
		"cap_net_raw+ep":                "cap_net_raw=ep",
		"cap_chown,cap_fowner=p":        "cap_chown,cap_fowner=p",
		"cap_net_raw,cap_net_admin+eip": "cap_net_admin,cap_net_raw=eip",
		"all=eip":                       "=eip",
		"=ep cap_chown-ep":              "=ep cap_chown-ep",
		"cap_chown=p cap_kill=i":        "cap_chown=p cap_kill=i",
		"CAP_CHOWN=ip cap_chown-i":      "cap_chown=p",
		"junk":                          "",
		"":                              "",
		"cap_nope=p":                    "",
		"cap_chown=x":                   "",
	} {
		c, ok := parseCaps(text)
		if !ok {
			if want != "" {
				t.Errorf("%q: not parsed", text)
			}
			continue
		}
		if got := c.String(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if b, ok := c.encode(); ok {
			if again, err := decodeCaps(b); err != nil || again != c {
				t.Errorf("%q: %v comes back as %v, %v", text, c, again, err)
			}
		}
	}
}

func TestACL(t *testing.T) {
	for text, want := range map[string]string{
		"u::rw-,g::r--,o::r--,u:5:rw,m::rw":      "user::rw-\nuser:5:rw-\ngroup::r--\nmask::rw-\nother::r--\n",
		"user::rwx # all\ngroup::r-x\nother:r--": "user::rwx\ngroup::r-x\nother::r--\n",
		"u:root:r,g:7:x":                         "user:0:r--\ngroup:7:--x\n",
	} {
		list, ok := parseACL(text)
		if got := formatACL(list); !ok || got != want {
			t.Errorf("%q: %q, %t", text, got, ok)
		}
		if again, err := decodeACL(encodeACL(list)); err != nil || formatACL(again) != want {
			t.Errorf("%q: %v, %v", text, again, err)
		}
	}
	for _, text := range []string{"junk", "u:somebody:r", "u::q", "x::r", "u:4294967295:r", "o:5:r", ":::"} {
		if list, ok := parseACL(text); ok {
			t.Errorf("%q: %v", text, list)
		}
	}
}

func TestHumanSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 1023: "1023", 1024: "1.0K", 1025: "1.1K", 10 << 10: "10K", 10<<10 + 1: "11K", 1<<20 - 1: "1.0M",
		9<<30 + 1: "9.1G", 1 << 63: "8.0E", 1<<64 - 1: "16E", 33 << 20: "33M", 97 << 10: "97K",
	} {
		if got := humanSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestBraces(t *testing.T) {
	for pattern, want := range map[string]string{
		"/a": "/a", "/{a,b}c": "/ac /bc", "/{a,{b,c}}": "/a /b /c", "/{}": "/{}", "/{a": "/{a", "/{a,b}{1,2}": "/a1 /a2 /b1 /b2",
	} {
		if got := strings.Join(expandBraces(pattern), " "); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
	if n := len(expandBraces(strings.Repeat("{a,b}", 100))); n > 2*maxBraces {
		t.Errorf("%d patterns", n)
	}
}

func FuzzText(f *testing.F) {
	f.Add("u::rwx,g::r,o:r", "cap_chown=ep", "/{a,b}*")
	f.Fuzz(func(t *testing.T, acl, caps, pattern string) {
		if list, ok := parseACL(acl); ok {
			formatACL(list)
		}
		if c, ok := parseCaps(caps); ok {
			if again, ok := parseCaps(c.String()); !ok || again != c {
				t.Errorf("%q: %q", caps, c.String())
			}
		}
		expandBraces(pattern[:min(len(pattern), 256)])
		parseOptions(acl)
	})
}

// FuzzMounted calls any procedure with any strings while a file system is mounted, of
// which nothing is kept.
func FuzzMounted(f *testing.F) {
	k, err := lkl.Boot(f.Context(), nil)
	if errors.Is(err, lkl.ErrNoKernel) {
		f.Skip(err)
	} else if err == nil {
		k.Kill()
	}
	img := testimg.FS(f, "ext4", testimg.Options{Tree: true})
	s, err := New(Config{Drives: []Drive{{Path: img, ReadOnly: true}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Add(uint32(rpc.ProcLs0), uint64(0), "/", "", uint32(0))
	f.Add(uint32(rpc.ProcGrep), uint64(1), "a.*", "/", uint32(1))
	f.Add(uint32(rpc.ProcCpA), uint64(0), "/", "/x", uint32(0))
	f.Add(uint32(rpc.ProcUmount), uint64(0), "/", "", uint32(0))
	f.Fuzz(func(t *testing.T, proc uint32, given uint64, a, b string, n uint32) {
		switch proc %= 600; proc {
		case rpc.ProcSleep, rpc.ProcDebug, rpc.ProcInternalExit, rpc.ProcZeroFreeSpace:
			return
		}
		if !s.mounted() {
			s.mount("", "", "/dev/sda", "/")
		}
		e := xdr.NewEncoder(make([]byte, 4))
		h := protocol.Header{Proc: proc, Serial: protocol.FirstSerial, OptArgs: given}
		h.Code(e)
		e.String(&a)
		e.String(&b)
		e.Uint32(&n)
		message, err := e.Result()
		if err != nil {
			return
		}
		size := len(message) - 4
		message[0], message[1], message[2], message[3] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
		// Calls with other arguments than these end when they are decoded: those of a
		// length that fits are enough.
		p := protocol.Server{Handler: dispatcher{s}, Panic: func(v any, stack []byte) { t.Errorf("panic: %v\n%s", v, stack) }}
		for cut := len(message); cut > 44 && cut > len(message)-12; cut -= 4 {
			m := bytes.Clone(message[:cut])
			size := len(m) - 4
			m[0], m[1], m[2], m[3] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
			p.Serve(context.Background(), peer{bytes.NewReader(append(m, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0)), io.Discard})
		}
	})
}
