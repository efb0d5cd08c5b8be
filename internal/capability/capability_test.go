package capability

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestText(t *testing.T) {
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
		c, ok := Parse(text)
		if !ok {
			if want != "" {
				t.Errorf("%q: not parsed", text)
			}
			continue
		}
		if got := c.String(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if b, ok := c.Encode(); ok {
			if again, err := Decode(b); err != nil || again != c {
				t.Errorf("%q: %v comes back as %v, %v", text, c, again, err)
			}
		}
	}
}

// TestDecode reads both revisions of the attribute, and refuses others.
func TestDecode(t *testing.T) {
	v2 := make([]byte, size2)
	v2[3], v2[0], v2[5] = 2, effective, 0x20 // cap_net_raw is bit 13
	v3 := append(append([]byte{}, v2...), 0, 0, 1, 0)
	v3[3] = 3
	for _, b := range [][]byte{v2, v3} {
		if c, err := Decode(b); err != nil || c.String() != "cap_net_raw=ep" {
			t.Errorf("%x: %v, %v", b, c, err)
		}
	}
	for _, b := range [][]byte{nil, v2[:size2-1], v3[:size2], append(v2, 0), make([]byte, size2)} {
		if c, err := Decode(b); err != unix.EINVAL {
			t.Errorf("%x: %v, %v", b, c, err)
		}
	}
	c, _ := Parse("cap_chown=ep cap_kill=p")
	if b, ok := c.Encode(); ok {
		t.Errorf("some of the permitted capabilities are effective: %x", b)
	}
}

func FuzzCapability(f *testing.F) {
	f.Add("cap_chown=ep", make([]byte, size2))
	f.Fuzz(func(t *testing.T, text string, value []byte) {
		if c, ok := Parse(text); ok {
			if again, ok := Parse(c.String()); !ok || again != c {
				t.Errorf("%q: %q", text, c.String())
			}
		}
		if c, err := Decode(value); err == nil {
			b, ok := c.Encode()
			if again, err := Decode(b); !ok || err != nil || again != c {
				t.Errorf("%x comes back as %x", value, b)
			}
		}
	})
}
