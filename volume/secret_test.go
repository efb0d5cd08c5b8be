package volume

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// No verb and no encoder shows a key, wherever the value is.
func TestKeysAreNotPrinted(t *testing.T) {
	secret := []byte("a secret, known")
	m := &Member{Name: "/dev/sda"}
	target := Target{Length: 8, Type: "crypt", Params: "aes-xts-plain64 $ 0 @ 0", Devices: []Base{m}, Key: secret}
	key := Key{Kind: Passphrase, Secret: secret, Params: map[string]string{"header": "/dev/sdb"}}
	for _, v := range []any{target, &target, []Target{target}, Volume{Table: []Target{target}}, key, &key, map[string]any{"k": key}, struct{ K Key }{key}} {
		text := ""
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text += fmt.Sprintf(verb, v) + "\n"
		}
		if data, err := json.Marshal(v); err == nil {
			text += string(data)
		}
		for _, form := range []string{string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)), "YSBzZWNyZXQ", "97 32 115", "0x61, 0x20", "0x61 0x20"} {
			if strings.Contains(text, form) {
				t.Errorf("%T shows the key: %s", v, text)
			}
		}
	}
	if got := fmt.Sprint(target); got != "0 8 crypt aes-xts-plain64 "+strings.Repeat("0", 30)+" 0 /dev/sda 0" {
		t.Error(got)
	}
	if got := fmt.Sprint(key); got != "passphrase of 15 bytes, header=/dev/sdb" {
		t.Error(got)
	}
}
