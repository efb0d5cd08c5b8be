package luks

import (
	"encoding/json"
	"slices"
)

// A Header is what is known of a volume without a key. A header of version 1 is told in the
// terms of version 2: it has one digest, "0", and one segment, "0".
type Header struct {
	Version                int
	UUID, Label, Subsystem string
	// Secondary says that the first header is damaged or older, and that this is the second.
	Secondary bool
	// Sequence counts the changes of the header, in version 2.
	Sequence uint64
	// MetadataSize is that of one copy of the header, and KeyslotsSize that of the area of
	// key slots after both copies, in bytes. In version 1 they are 0.
	MetadataSize, KeyslotsSize int64
	// Cipher is that of the data, in the notation of dm-crypt: "aes-xts-plain64". It is
	// empty if the first segment is not of the type "crypt".
	Cipher string
	// KeySize is that of the volume key, in bytes, or 0 if no key slot says it.
	KeySize int
	// Flags are those that hold for every activation: "allow-discards"…
	Flags []string
	// Requirements are what software has to know to use the volume at all.
	Requirements []string

	Keyslots []Keyslot
	Tokens   []Token
	Segments []Segment
	Digests  []Digest
}

// The priorities of key slots.
const (
	Ignore = 0 // only used if it is named
	Normal = 1
	Prefer = 2 // used first
)

// A Keyslot keeps the volume key, encrypted by what is derived from a passphrase.
type Keyslot struct {
	ID       int
	Type     string // "luks2", or "luks1"; the rest is only set for those
	KeySize  int    // of the volume key, in bytes
	Priority int
	AF       AF
	Area     Area
	KDF      KDF
}

// AF is how the key is spread over an area, so that it is gone if any part of that is.
type AF struct {
	Stripes int
	Hash    string
}

// An Area is where an encrypted key lies.
type Area struct {
	Type         string // "raw"
	Offset, Size int64  // in bytes
	Encryption   string // "aes-xts-plain64"
	KeySize      int    // of the key that it is encrypted by, in bytes
}

// A KDF is how a key is derived from a passphrase.
type KDF struct {
	Type string // "pbkdf2", "argon2i" or "argon2id"
	Salt []byte `json:"-"`
	// Hash and Iterations are of PBKDF2.
	Hash       string `json:",omitempty"`
	Iterations int64  `json:",omitempty"`
	// Time is the number of passes over Memory KiB that Argon2 makes in CPUs threads.
	Time, Memory, CPUs int64 `json:",omitempty"`
}

// A Token says how a passphrase can be had for some key slots.
type Token struct {
	ID       int
	Type     string // "systemd-tpm2", "clevis"…
	Keyslots []int
	// JSON is the whole of it.
	JSON json.RawMessage
}

// A Segment is a range of the data.
type Segment struct {
	ID     int
	Type   string // "crypt", "linear", "hw-opal"…
	Offset int64  // in bytes
	Size   int64  // in bytes; -1 if it reaches to the end of the device
	Flags  []string
	// The rest is only set for the type "crypt".
	Encryption string
	IVTweak    uint64 // the number of the first sector of 512 bytes, for initialization vectors
	SectorSize int    // in bytes
	// Integrity is the algorithm of authenticated encryption: "hmac(sha256)", "aead",
	// "none" if only the initialization vectors are stored, or "" without it.
	Integrity                           string
	JournalEncryption, JournalIntegrity string
}

// A Digest shows whether a volume key is the right one.
type Digest struct {
	ID         int
	Type       string // "pbkdf2"; the rest is only set for it
	Keyslots   []int
	Segments   []int
	Hash       string
	Iterations int64
	Salt       []byte `json:"-"`
	Digest     []byte `json:"-"`
}

// Backup reports whether the segment is only a note of what was or will be, that
// reencryption keeps.
func (s *Segment) backup() bool {
	return slices.ContainsFunc(s.Flags, func(f string) bool { return len(f) >= 7 && f[:7] == "backup-" })
}

// regular returns the segments that the data consist of.
func (h *Header) regular() (list []Segment) {
	for _, s := range h.Segments {
		if !s.backup() {
			list = append(list, s)
		}
	}
	return list
}

// slot returns a key slot, or nil.
func (h *Header) slot(id int) *Keyslot {
	for i := range h.Keyslots {
		if h.Keyslots[i].ID == id {
			return &h.Keyslots[i]
		}
	}
	return nil
}

// digest returns the digest of the key that a slot keeps, or nil.
func (h *Header) digest(slot int) *Digest {
	for i := range h.Digests {
		if slices.Contains(h.Digests[i].Keyslots, slot) {
			return &h.Digests[i]
		}
	}
	return nil
}

// summarize sets what follows from the parts.
func (h *Header) summarize() {
	if len(h.Segments) == 0 {
		return
	}
	first := h.Segments[0]
	h.Cipher = first.Encryption
	for _, k := range h.Keyslots {
		if d := h.digest(k.ID); d != nil && slices.Contains(d.Segments, first.ID) {
			h.KeySize = k.KeySize
			return
		}
	}
}
