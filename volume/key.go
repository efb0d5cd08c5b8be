package volume

import "iter"

// A Keyring yields the keys that may open a volume.
type Keyring interface {
	// Keys yields the keys to be tried on a member, the likeliest first. An error is the
	// end: somebody who was asked has given up. The receiver wipes each key after use.
	Keys(m *Member, lock *Lock) iter.Seq2[Key, error]
}

// A KeyKind says what a key is.
type KeyKind string

// The kinds of keys.
const (
	// Passphrase is what somebody types, or the content of a key file: every byte counts.
	Passphrase KeyKind = "passphrase"
	// Recovery is a recovery password or key in its printed form, of BitLocker and others.
	Recovery KeyKind = "recovery"
	// StartupKey is the content of a file of BitLocker's (.BEK).
	StartupKey KeyKind = "startup"
	// VolumeKey is the key of the data itself: nothing is derived.
	VolumeKey KeyKind = "volume"
	// RootHash is the hash of a dm-verity volume, in binary.
	RootHash KeyKind = "roothash"
)

// A Key is a secret that may open a volume.
type Key struct {
	Kind   KeyKind
	Secret []byte `json:"-"`
	// Params are what the metadata of a kind without signature does not say, such as
	// "cipher" and "hash" of a plain dm-crypt volume, or "pim" of a VeraCrypt volume, by
	// the names of crypttab(5)'s options.
	Params map[string]string
}

// Wipe overwrites the secret.
func (k Key) Wipe() { clear(k.Secret) }

// A Lock says what would open a volume that is locked.
type Lock struct {
	// Format is what locks it: "LUKS1", "LUKS2", "BitLocker"…
	Format string
	// Slots are the ways to open it, in the order in which they are tried.
	Slots []KeySlot
	// Tried is how many keys did not fit.
	Tried int
	// Err says why it cannot be opened by any key, or what ended the search; or is nil.
	Err error
}

// A KeySlot is one way to open a volume.
type KeySlot struct {
	ID    string  // as the format's tools name it: "0"
	Kind  KeyKind // "" if nothing that can be given here opens it
	Descr string  // "argon2id, 1 GiB, 4 passes", "TPM", "systemd-fido2 token"
}
