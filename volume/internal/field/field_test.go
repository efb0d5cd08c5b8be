package field

import "testing"

func TestFields(t *testing.T) {
	b := []byte("\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b")
	// The type of an EFI system partition, as the UEFI specification spells it.
	if got := GUID(b); got != "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" {
		t.Error(got)
	}
	if got := UUID(b); got != "28732ac1-1ff8-d211-ba4b-00a0c93ec93b" {
		t.Error(got)
	}
	for in, want := range map[string]string{
		"a\x00\xe4\x00": "aä", "a\x00\x00\x00b\x00": "a", "a\x00b": "a", "\x3d\xd8\x00\xde": "😀", "\x3d\xd8": "\ufffd", "": "",
	} {
		if got := UTF16([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
