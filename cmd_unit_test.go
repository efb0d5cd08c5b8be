package unboot

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCmdUser(t *testing.T) {
	lines := func(text string) (out [][]string) {
		for l := range strings.Lines(text) {
			out = append(out, strings.Split(strings.TrimSuffix(l, "\n"), ":"))
		}
		return out
	}
	passwd := lines("root:x:0:0:root:/root:/bin/bash\nshort:x\n:x:7:7::/:\nbad:x:-1:0::/:\nnone:x:4294967295:1::/:\n" +
		"5:x:6:6:named as a number:/six:/bin/six\nbob:x:5:50::/home/bob:/bin/sh\n")
	group := lines("root:x:0:\nstaff:x:50:bob\nwheel:x:10:alice,bob\nbad:x:x:bob\nnobobs:x:11:bobby\n")
	for user, want := range map[string]string{
		"root": "0 0 root /root /bin/bash [0]",
		"0":    "0 0 root /root /bin/bash [0]",
		"bob":  "5 50 bob /home/bob /bin/sh [50 10]",
		"5":    "6 6 5 /six /bin/six [6]", // a name comes before a number, as for id(1)
		"6":    "6 6 5 /six /bin/six [6]",
		"bad":  "0 0    [0]",
		"none": "0 0    [0]",
		"":     "0 0    [0]",
	} {
		u := lookUser(passwd, user)
		if got := fmt.Sprint(u.UID, u.GID, " ", u.name, " ", u.home, " ", u.shell, " ", groupsOf(group, u.name, u.GID)); got != want {
			t.Errorf("%q: %q, want %q", user, got, want)
		}
	}
	for name, want := range map[string]uint32{"wheel": 10, "10": 10, "77": 77} {
		if got, err := groupID(group, name); got != want || err != nil {
			t.Errorf("group %s: %d, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "nobody", "4294967295", "-1", "bad"} {
		if got, err := groupID(group, name); err == nil {
			t.Errorf("group %q: %d", name, got)
		}
	}
	var many [][]string
	for i := range 100 {
		many = append(many, []string{"g", "x", fmt.Sprint(100 + i), "bob"})
	}
	if n := len(groupsOf(many, "bob", 1)); n != maxGroups {
		t.Errorf("%d groups", n)
	}
}

func TestLastOfEach(t *testing.T) {
	for in, want := range map[string]string{
		"":                "",
		"A=1":             "A=1",
		"A=1 B=2 A=3":     "B=2 A=3",
		"A=1 odd odd A=":  "odd odd A=",
		"=C:=x =C:=y A=1": "=C:=y A=1",
	} {
		if got := strings.Join(lastOfEach(strings.Fields(in)), " "); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestStartHint(t *testing.T) {
	elf := func(class, data byte, lo, hi byte) string {
		b := make([]byte, 64)
		copy(b, "\x7fELF")
		b[4], b[5], b[18], b[19] = class, data, lo, hi
		return string(b)
	}
	for _, tt := range []struct {
		start   string
		missing bool
		want    string
	}{
		{"#!/bin/nope -x\nrest", true, `its interpreter is "/bin/nope"`},
		{"#! /bin/nope", true, `its interpreter is "/bin/nope"`},
		{"#!/bin/\x1b[2J\n", true, `its interpreter is "/bin/\x1b[2J"`},
		{"#!\n", true, ""},
		{"#!/bin/sh\r\nexit\r\n", true, `its interpreter is "/bin/sh\r"`},
		{"#!/bin/sh\n", false, ""},
		{elf(2, 1, 183, 0), false, "it is a program for AARCH64, for which the host needs qemu-aarch64-static"},
		{elf(2, 2, 0, 22), false, "it is a program for S390, for which the host needs qemu-s390x-static"},
		{elf(1, 1, 3, 0), false, "it is a program for 386, for which the host needs qemu-i386-static"},
		{elf(1, 1, 75, 0), false, "it is a program for VAX"},
		{elf(1, 1, 62, 0), false, "it is a program for the x32 ABI"},
		{elf(2, 1, 62, 0), true, "its dynamic loader is missing"},
		{elf(2, 1, 62, 0), false, ""},
		{elf(2, 1, 62, 0)[:19], true, ""},
		{"", true, ""},
	} {
		if got := startHint([]byte(tt.start), tt.missing); got != tt.want {
			t.Errorf("%.20q: %q, want %q", tt.start, got, tt.want)
		}
	}
}

func FuzzStartHint(f *testing.F) {
	f.Add([]byte("#!/bin/sh\n"), true)
	f.Add([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"), false)
	f.Fuzz(func(t *testing.T, start []byte, missing bool) {
		if hint := startHint(start, missing); len(hint) > 1000 || strings.ContainsAny(hint, "\x1b\n") {
			t.Errorf("%q", hint)
		}
	})
}

// What is kept of much is its beginning, its end and how much was between them.
func TestEnds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, endsSize - 1, endsSize, endsSize + 1, 2 * endsSize, 2*endsSize + 1, 5 * endsSize} {
		all := make([]byte, n)
		for i := range all {
			all[i] = 'a' + byte(r.IntN(26))
		}
		var e ends
		for rest := all; len(rest) > 0; {
			take := min(len(rest), r.IntN(endsSize*3/2))
			e.Write(rest[:take])
			rest = rest[take:]
		}
		want := all
		if n > 2*endsSize {
			want = slices.Concat(all[:endsSize], fmt.Appendf(nil, "\n... omitting %d bytes ...\n", n-2*endsSize), all[n-endsSize:])
		}
		if got := e.bytes(); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d, want %d", n, len(got), len(want))
		}
	}
}

// A file that nothing comes from is not waited for any more when it is stopped, and what comes
// afterwards is not taken.
func TestStoppable(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	s, err := newStoppable(r)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	b := make([]byte, 10)
	w.WriteString("abc")
	if n, err := s.Read(b); string(b[:n]) != "abc" || err != nil {
		t.Fatalf("%q, %v", b[:n], err)
	}
	time.AfterFunc(10*time.Millisecond, s.stop)
	if n, err := s.Read(b); n != 0 || err != errStopped {
		t.Errorf("%d, %v", n, err)
	}
	w.WriteString("more")
	if n, err := s.Read(b); n != 0 || err != errStopped {
		t.Errorf("%d, %v", n, err)
	}
	if n, _ := r.Read(b); string(b[:n]) != "more" {
		t.Errorf("%q is left", b[:n])
	}
	s.close()
	s.stop()
	s.close()

	empty, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if s, err = newStoppable(empty); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if n, err := s.Read(b); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

// Mistakes that are found before anything is done have os/exec's order of things.
func TestCmdMisuse(t *testing.T) {
	c := &Cmd{}
	if err := c.Wait(); err == nil {
		t.Error("waited for what was not started")
	}
	if err := c.Kill(); err == nil {
		t.Error("killed what was not started")
	}
}
