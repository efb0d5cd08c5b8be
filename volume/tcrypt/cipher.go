package tcrypt

// A mode is how the sectors are chained, and with that, where the keys lie.
type mode string

const (
	xts mode = "xts-plain64"
	lrw mode = "lrw-benbi"
	// cbc has whitening, and an initialization vector that is XORed with a secret.
	cbc mode = "cbc-tcw"
	// outer is CBC around a cascade of ciphers, which the kernel does not have; nor has it
	// the Blowfish of TrueCrypt, which takes its numbers for little-endian.
	outer mode = "outer CBC"
)

// A cascade is the ciphers through which data goes, in the order in which they encrypt.
type cascade struct {
	ciphers []string
	mode    mode
}

// keySizes are the lengths of keys in bytes, where it is not 32.
var keySizes = map[string]int{"cast5": 16, "des3_ede": 24, "blowfish": 56}

func keySize(cipher string) int {
	if n := keySizes[cipher]; n > 0 {
		return n
	}
	return 32
}

func blockSize(cipher string) int {
	if keySizes[cipher] > 0 {
		return 8
	}
	return 16
}

// cascades are all that the two programs offer, and that this kernel could have.
var cascades = []cascade{
	{[]string{"aes"}, xts},
	{[]string{"serpent"}, xts},
	{[]string{"twofish"}, xts},
	{[]string{"camellia"}, xts},
	{[]string{"twofish", "aes"}, xts},
	{[]string{"serpent", "twofish", "aes"}, xts},
	{[]string{"aes", "serpent"}, xts},
	{[]string{"aes", "twofish", "serpent"}, xts},
	{[]string{"serpent", "twofish"}, xts},
	{[]string{"serpent", "camellia"}, xts},

	{[]string{"aes"}, lrw},
	{[]string{"serpent"}, lrw},
	{[]string{"twofish"}, lrw},
	{[]string{"twofish", "aes"}, lrw},
	{[]string{"serpent", "twofish", "aes"}, lrw},
	{[]string{"aes", "serpent"}, lrw},
	{[]string{"aes", "twofish", "serpent"}, lrw},
	{[]string{"serpent", "twofish"}, lrw},

	{[]string{"aes"}, cbc},
	{[]string{"serpent"}, cbc},
	{[]string{"twofish"}, cbc},
	{[]string{"cast5"}, cbc},
	{[]string{"des3_ede"}, cbc},
	{[]string{"twofish", "aes"}, outer},
	{[]string{"serpent", "twofish", "aes"}, outer},
	{[]string{"aes", "serpent"}, outer},
	{[]string{"aes", "twofish", "serpent"}, outer},
	{[]string{"serpent", "twofish"}, outer},
	{[]string{"blowfish"}, outer},
}

// keysMax is the room that a header has for the keys of a volume, and the length of the key
// that is derived for it: enough for three ciphers in XTS.
const keysMax = 192

// key returns the key of the cipher at i for dm-crypt, out of the keys of a header or of
// those that are derived for it. It is to be wiped.
func (c cascade) key(i int, keys []byte) []byte {
	at := 32 // in the old modes, a secret for all ciphers comes first
	if c.mode == xts {
		at = 0
	}
	all := 0
	for j, name := range c.ciphers {
		if j < i {
			at += keySize(name)
		}
		all += keySize(name)
	}
	n := keySize(c.ciphers[i])
	key := append(make([]byte, 0, n+32), keys[at:at+n]...)
	switch c.mode {
	case xts: // the second halves of all are behind the first
		return append(key, keys[all+at:all+at+n]...)
	case lrw:
		return append(key, keys[:16]...)
	case cbc: // the secret for the vector, and the whitening
		return append(key, keys[:blockSize(c.ciphers[i])+16]...)
	}
	return key
}
