package fvault

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/unboot/unboot/volume/internal/field"
)

// plist returns the text of a property list in a block: its offset and its length stand at a
// place.
func plist(b []byte, at int) (string, error) {
	off, n := uint64(le32(b[at:])), uint64(le32(b[at+4:]))
	if off > uint64(len(b)) || n > uint64(len(b))-off {
		return "", errors.New("a property list lies outside of its block")
	}
	return string(b[off : off+n]), nil
}

// property returns the value that follows a key, the first that is not empty: a user without
// passphrase has one that is. The lists are written by one program, so they are
// searched and not parsed.
func property(text, key, kind string) (string, error) {
	for {
		_, rest, ok := strings.Cut(text, "<key>"+key+"</key><"+kind)
		if !ok {
			return "", fmt.Errorf("it has no %s", key)
		}
		text = rest
		_, rest, _ = strings.Cut(rest, ">")
		value, end, ok := strings.Cut(rest, "<")
		if ok && value != "" && strings.HasPrefix(end, "/"+kind+">") {
			return value, nil
		}
	}
}

// data returns a property that is binary, of a length that is known.
func data(text, key string, size int) ([]byte, error) {
	value, err := property(text, key, "data")
	if err != nil {
		return nil, err
	}
	value = strings.Join(strings.Fields(value), "")
	b, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(b) != size {
		return nil, fmt.Errorf("its %s is damaged", key)
	}
	return b, nil
}

// takeKeys takes over the wrapped keys.
func (meta *metadata) takeKeys(text string) error {
	kek, err := data(text, "PassphraseWrappedKEKStruct", 284)
	if err != nil {
		return err
	}
	key, err := data(text, "KEKWrappedVolumeKeyStruct", 256)
	if err != nil {
		return err
	}
	meta.salt, meta.wrappedKEK = kek[8:24], kek[32:56]
	meta.Iterations = le32(kek[168:])
	meta.wrappedKey = key[8:32]
	return nil
}

// takeSize takes over what is said of the logical volume.
func (meta *metadata) takeSize(text string) error {
	value, err := property(text, "com.apple.corestorage.lv.size", "integer")
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(strings.TrimPrefix(strings.TrimSpace(value), "0x"), 16, 64)
	if err != nil || size <= 0 {
		return errors.New("the size of the volume is not one")
	}
	meta.Size = size
	value, err = property(text, "com.apple.corestorage.lv.familyUUID", "string")
	if err != nil {
		return err
	}
	id, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(value), "-", ""))
	if err != nil || len(id) != len(meta.family) {
		return errors.New("the UUID of the family is not one")
	}
	meta.FamilyUUID = field.UUID(id)
	copy(meta.family[:], id)
	return nil
}
