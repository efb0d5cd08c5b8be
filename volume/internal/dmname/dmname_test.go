package dmname

import "testing"

// The characters are those that libdevmapper's documentation lists (libdevmapper.h, "Device
// name mangling").
func TestMangle(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "Az09#+-.:=@_": "Az09#+-.:=@_", "a b/c": `a\x20b\x2fc`, "ä": `\xc3\xa4`, `\`: `\x5c`,
	} {
		if got := Mangle(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
