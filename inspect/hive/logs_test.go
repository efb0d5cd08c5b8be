package hive

import "testing"

// Microsoft's test vectors.
func TestMarvin32(t *testing.T) {
	for data, want := range map[string]uint64{
		"":                 0x30ed35c100cd3c7d,
		"\xaf":             0x48e73fc77d75ddc1,
		"\xe7\x0f":         0xb5f6e1fc485dbff8,
		"\x37\xf4\x95":     0xf0b07c789b8cf7e8,
		"\x86\x42\xdc\x59": 0x7008f2e87e9cf556,
	} {
		if got := marvin32(0x004fb61a001bdbcc, []byte(data)); got != want {
			t.Errorf("%x: %#x, want %#x", data, got, want)
		}
	}
}
