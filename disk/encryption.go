package disk

import (
	"errors"
	"io"
)

// ErrEncrypted is returned for an image that its own format encrypts, and for which there is no
// key. (LUKS inside the disk is another matter.)
var ErrEncrypted = errors.New("the image is encrypted")

// Encryption is how an image's own format encrypts its disk.
type Encryption struct {
	// Method is "LUKS", whose key slots are in a header, or "AES", where the passphrase
	// itself is the key: its first 16 bytes, or zeros after fewer, for aes-cbc-plain64.
	Method string
	// Header is that of LUKS, of HeaderSize bytes, which nobody vouches for.
	Header     io.ReaderAt
	HeaderSize int64
}

// A SectorCipher en- and decrypts in place whole sectors of 512 bytes, of which the first has
// a number. Its methods may be called from several goroutines at once.
type SectorCipher interface {
	Encrypt(p []byte, sector uint64) error
	Decrypt(p []byte, sector uint64) error
}

// An Encrypted is an image that its own format encrypts, or may. Encryption returns nil if it
// does not. Else nothing can be read or written before Unlock: errors wrap [ErrEncrypted].
// Unlock comes before everything else, and is given the cipher with the key that the
// encryption's header has, or that the user has.
type Encrypted interface {
	Encryption() *Encryption
	Unlock(SectorCipher)
}

// A NewEncryption is how a new image is to be encrypted, by LUKS.
type NewEncryption struct {
	HeaderSize int64 // bytes
	// Write writes the header onto a device of that size.
	Write func(d HeaderDevice) error
	// Unlock returns the cipher of the image when it has been made, as for one that is opened.
	Unlock func(path string, e *Encryption) (SectorCipher, error)
}

// A HeaderDevice is where the header of an encryption is written.
type HeaderDevice interface {
	io.ReaderAt
	io.WriterAt
}
