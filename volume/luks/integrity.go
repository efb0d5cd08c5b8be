package luks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// cutCipher takes a cipher in the notation of dm-crypt apart: "aes", "xts", "random". The mode
// is empty if the cipher is an authenticated one, such as "aegis128-random".
func cutCipher(cipher string) (name, mode, iv string) {
	name, rest, _ := strings.Cut(cipher, "-")
	mode, iv, ok := strings.Cut(rest, "-")
	if !ok {
		return name, "", rest
	}
	return name, mode, iv
}

// The length of the authentication tags, in bytes.
var tagSizes = map[string]int{
	"": 0, "none": 0, "aead": 16, "poly1305": 16, "cmac(aes)": 16,
	"hmac(sha1)": 20, "hmac(sha256)": 32, "hmac(sha512)": 64,
}

// tagSize returns what is stored beside each sector, in bytes: the authentication tag, and
// the initialization vector if that is random.
func (s *Segment) tagSize() int {
	name, mode, iv := cutCipher(s.Encryption)
	n := 0
	if iv == "random" {
		switch {
		case s.Integrity == "poly1305" || mode == "gcm":
			n = 12
		case mode == "ccm":
			n = 8
		case mode == "" && name == "aegis256":
			n = 32
		case mode == "xts" || mode == "ctr" || mode == "":
			n = 16
		}
	}
	return n + tagSizes[s.Integrity]
}

// authenticated returns the cipher in the notation of the kernel's crypto API, and the kind
// of integrity.
func (s *Segment) authenticated() (cipher, kind string) {
	name, mode, iv := cutCipher(s.Encryption)
	api := name
	if mode != "" {
		api = fmt.Sprintf("%s(%s)", mode, name)
	}
	switch {
	case s.Integrity == "" || s.Integrity == "none":
		return fmt.Sprintf("capi:%s-%s", api, iv), "none"
	case s.Integrity == "aead" && mode == "ccm":
		api = fmt.Sprintf("rfc4309(%s)", api)
	case s.Integrity == "aead":
	case s.Integrity == "poly1305":
		api = fmt.Sprintf("rfc7539(%s,poly1305)", api)
	default:
		api = fmt.Sprintf("authenc(%s,%s)", s.Integrity, api)
	}
	return fmt.Sprintf("capi:%s-%s", api, iv), "aead"
}

// integrity returns the volume of dm-integrity that keeps the tags of an authenticated
// volume, or nil if there are none. It sets the size of the volume to what that leaves.
// See the kernel's Documentation/admin-guide/device-mapper/dm-integrity.rst.
func (o *opening) integrity(v *volume.Volume) (*volume.Volume, error) {
	s := &o.header.Segments[0]
	if _, known := tagSizes[s.Integrity]; !known {
		return nil, fmt.Errorf("the integrity %q is not known", s.Integrity)
	}
	tag := s.tagSize()
	if tag == 0 {
		if s.Integrity != "" {
			return nil, fmt.Errorf("the cipher %q has nothing to store with the integrity %q", s.Encryption, s.Integrity)
		}
		return nil, nil
	}
	if s.JournalEncryption != "none" || s.JournalIntegrity != "none" {
		return nil, fmt.Errorf("its journal is encrypted by %q and authenticated by %q, which no version of cryptsetup makes", s.JournalEncryption, s.JournalIntegrity)
	}
	sb, err := readAt(o.data.R, o.data.Size, s.Offset, 512)
	if err != nil {
		return nil, fmt.Errorf("the superblock of dm-integrity: %w", err)
	}
	if string(sb[:8]) != "integrt\x00" {
		return nil, errors.New("the superblock of dm-integrity is not there")
	}
	if n := int(binary.LittleEndian.Uint16(sb[10:])); n != tag {
		return nil, fmt.Errorf("dm-integrity keeps %d bytes a sector, and the header says %d", n, tag)
	}
	room := uint64(v.Size / 512)
	sectors := binary.LittleEndian.Uint64(sb[16:])
	if sectors == 0 || sectors > room {
		return nil, fmt.Errorf("dm-integrity has %d sectors of data on %d", sectors, room)
	}
	mode := "J"
	if slices.Contains(o.header.Flags, "no-journal") {
		mode = "D"
	}
	v.Size = int64(sectors) * 512
	name := v.Name + "_dif"
	return &volume.Volume{
		Kind: "dm", Name: name, Nodes: []string{"/dev/mapper/" + name}, Size: v.Size, Hidden: true,
		UUID: strings.Replace(v.UUID, "CRYPT-LUKS2-", "CRYPT-INTEGRITY-", 1) + "_dif",
		Table: []volume.Target{{
			Length: int64(sectors), Type: "integrity", Devices: []volume.Base{o.data},
			Params: fmt.Sprintf("@ %d %d %s 1 block_size:%d", s.Offset/512, tag, mode, s.SectorSize),
		}},
	}, nil
}
