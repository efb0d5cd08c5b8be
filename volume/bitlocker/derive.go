package bitlocker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/unboot/unboot/volume/internal/field"
)

// rounds is how often a password is hashed: nothing in the metadata can change it.
const rounds = 0x100000

// stretch returns the key that is derived from the hash of a password, or nil if ctx
// has ended.
func stretch(ctx context.Context, hash [32]byte, salt []byte) []byte {
	// What is hashed is the last hash, that of the password, the salt, and a counter.
	var b [32 + 32 + 16 + 8]byte
	defer clear(b[:])
	copy(b[32:], hash[:])
	copy(b[64:80], salt)
	for i := range uint64(rounds) {
		if i%(rounds/64) == 0 && ctx.Err() != nil {
			return nil
		}
		binary.LittleEndian.PutUint64(b[80:], i)
		last := sha256.Sum256(b[:])
		copy(b[:], last[:])
	}
	return bytes.Clone(b[:32])
}

// passwordHash returns what of a password goes into the derivation. It is false of one
// that is not UTF-8.
func passwordHash(password []byte) (hash [32]byte, ok bool) {
	if !utf8.Valid(password) {
		return hash, false
	}
	units := make([]byte, 0, 2*len(password))
	defer func() { clear(units[:cap(units)]) }()
	for rest := password; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			units = binary.LittleEndian.AppendUint16(units, uint16(hi))
			r = lo
		}
		units = binary.LittleEndian.AppendUint16(units, uint16(r))
	}
	hash = sha256.Sum256(units)
	return sha256.Sum256(hash[:]), true
}

// recoveryHash is passwordHash of a recovery password: eight groups of six digits, each
// a number of 16 bits times 11. Hyphens, spaces or nothing stand between them, and an end of
// line may follow.
func recoveryHash(password []byte) (hash [32]byte, ok bool) {
	digits := make([]byte, 0, 48)
	defer func() { clear(digits[:cap(digits)]) }()
	for _, c := range bytes.TrimSpace(password) {
		switch {
		case c >= '0' && c <= '9' && len(digits) < 48:
			digits = append(digits, c)
		case (c == '-' || c == ' ') && len(digits)%6 == 0:
		default:
			return hash, false
		}
	}
	if len(digits) != 48 {
		return hash, false
	}
	var key [16]byte
	defer clear(key[:])
	for i := range 8 {
		v, err := strconv.ParseUint(string(digits[6*i:6*i+6]), 10, 32)
		if err != nil || v%11 != 0 || v/11 > 0xffff {
			return hash, false
		}
		binary.LittleEndian.PutUint16(key[2*i:], uint16(v/11))
	}
	return sha256.Sum256(key[:]), true
}

// startupKey returns the key in a file of BitLocker's, and the identifier of the protector
// that it is for.
func startupKey(file []byte) (key []byte, id string, ok bool) {
	if len(file) < datasetHead || le32(file[4:]) != 1 || le32(file[8:]) != datasetHead {
		return nil, "", false
	}
	size := uint64(le32(file))
	if size < datasetHead || size > uint64(len(file)) {
		return nil, "", false
	}
	for e := range entries(file[datasetHead:size]) {
		if e.role != forStartupKey || e.kind != isExternalKey || len(e.data) < 24 {
			continue
		}
		for p := range entries(e.data[24:]) {
			if p.kind == isKey && len(p.data) > 4 {
				return p.data[4:], field.GUID(e.data), true
			}
		}
	}
	return nil, "", false
}
