package acl

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"u::rw-,g::r--,o::r--,u:5:rw,m::rw":      "user::rw-\nuser:5:rw-\ngroup::r--\nmask::rw-\nother::r--\n",
		"user::rwx # all\ngroup::r-x\nother:r--": "user::rwx\ngroup::r-x\nother::r--\n",
		"u:root:r,g:7:x":                         "user:0:r--\ngroup:7:--x\n",
		"":                                       "",
	} {
		list, err := Parse(text)
		if got := list.String(); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
		if again, err := Decode(list.Encode()); err != nil || again.String() != want {
			t.Errorf("%q: %v, %v", text, again, err)
		}
		if got := list.Short(); got != strings.ReplaceAll(strings.TrimSpace(want), "\n", ",") {
			t.Errorf("%q: %q", text, got)
		}
	}
	many := strings.Repeat("u:5:r,", maxEntries+1)
	for _, text := range []string{"junk", "u:somebody:r", "u::q", "x::r", "u:4294967295:r", "o:5:r", ":::", many} {
		if list, err := Parse(text); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%.20q: %v, %v", text, list, err)
		}
	}
	if got := FromMode(0o754).Short(); got != "user::rwx,group::r-x,other::r--" {
		t.Error(got)
	}
}

func TestDecode(t *testing.T) {
	good := FromMode(0o644).Encode()
	for what, b := range map[string][]byte{
		"empty": nil, "no whole entry": good[:len(good)-1], "version": append([]byte{3}, good[1:]...),
		"tag": slices.Concat(good[:4], []byte{3}, good[5:]), "permissions": slices.Concat(good[:6], []byte{8}, good[7:]),
		"entries": make([]byte, 4+8*(maxEntries+1)),
	} {
		if list, err := Decode(b); err != unix.EINVAL {
			t.Errorf("%s: %v, %v", what, list, err)
		}
	}
}

func FuzzACL(f *testing.F) {
	f.Add("u::rwx,g::r,o:r", FromMode(0o644).Encode())
	f.Fuzz(func(t *testing.T, text string, value []byte) {
		if list, err := Parse(text); err == nil {
			if again, err := Parse(list.String()); err != nil || !slices.Equal(again, list) {
				t.Errorf("%q: %q is %v, %v", text, list, again, err)
			}
		}
		if list, err := Decode(value); err == nil && string(list.Encode()) != string(value) {
			t.Errorf("%x comes back as %x", value, list.Encode())
		}
	})
}
