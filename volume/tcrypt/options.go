package tcrypt

import (
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/unboot/unboot/volume"
)

// options are what a key says about the volume.
type options struct {
	hidden, system, backup bool
	trueCrypt              bool // VeraCrypt is not tried
	pim                    int64
	hash                   string
}

// pimMax bounds the iterations: VeraCrypt itself takes no more.
const pimMax = 2147468

// optionsOf returns what a key says, and whether it is for this kind of volumes.
func optionsOf(k volume.Key) (o options, mine bool) {
	if k.Kind != volume.Passphrase {
		return o, false
	}
	for name := range k.Params {
		mine = mine || strings.HasPrefix(name, "tcrypt") || strings.HasPrefix(name, "veracrypt")
	}
	if !mine {
		return o, false
	}
	set := func(name string) bool {
		v, ok := k.Params[name]
		return ok && v != "no"
	}
	o.hidden, o.system, o.backup = set("tcrypt-hidden"), set("tcrypt-system"), set("tcrypt-backup")
	o.trueCrypt = k.Params["tcrypt-veracrypt"] == "no"
	o.hash = k.Params["hash"]
	if pim := k.Params["veracrypt-pim"]; pim != "" {
		n, err := strconv.ParseInt(pim, 10, 64)
		if err != nil || n < 0 || n > pimMax {
			return o, false
		}
		o.pim = n
	}
	return o, true
}

// The longest passwords, in bytes.
const (
	passwordMaxTrueCrypt = 64
	passwordMaxVeraCrypt = 128
	keyfileMax           = 1 << 20 // of a key file, the rest does not count
)

// Keyfiles returns what stands for a password together with key files: both programs
// mix them. It is nil if the password is longer than VeraCrypt allows. The password stays
// as it is, and is for the caller to wipe.
func Keyfiles(password []byte, files ...[]byte) []byte {
	if len(password) > passwordMaxVeraCrypt {
		return nil
	}
	// The room for the mix depends on the password, even in VeraCrypt.
	pool := make([]byte, passwordMaxTrueCrypt)
	if len(password) > passwordMaxTrueCrypt {
		pool = make([]byte, passwordMaxVeraCrypt)
	}
	for _, file := range files {
		crc, at := uint32(0), 0
		for i := range min(len(file), keyfileMax) {
			crc = crc32.Update(crc, crc32.IEEETable, file[i:i+1])
			for shift := 24; shift >= 0; shift -= 8 {
				pool[at] += byte(^crc >> shift)
				at = (at + 1) % len(pool)
			}
		}
	}
	for i, c := range password {
		pool[i] += c
	}
	return pool
}
