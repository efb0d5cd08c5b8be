package probe

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
)

// ISO 9660 (ECMA-119) and Joliet. The volume descriptors begin at 32 KiB.
const (
	isoStart       = 32 << 10
	isoSector      = 2048
	isoDescriptors = 16 // that are looked at
)

func probeISO(s *source) *Info {
	var primary, joliet block
	for i := range isoDescriptors {
		vd := s.at(isoStart+int64(i)*isoSector, isoSector)
		if !vd.has(1, "CD001") || vd.u8(0) == 0xff {
			break
		}
		// A disc may have several of each, from several systems' mastering programs. The
		// first primary one counts, and of the supplementary ones, Joliet's: by its escape
		// sequences (UCS-2, levels 1 to 3).
		switch kind := vd.u8(0); {
		case kind == 1 && primary == nil:
			primary = vd
		case kind == 2 && (vd.has(88, "%/@") || vd.has(88, "%/C") || vd.has(88, "%/E")):
			joliet = vd
		}
	}
	if primary == nil {
		if hs := s.at(isoStart, isoSector); hs.has(9, "CDROM") {
			// High Sierra, ISO 9660's predecessor.
			return &Info{Type: "iso9660", Version: "High Sierra", Label: label(hs.sub(48, 32)), BlockSize: isoSector}
		}
		return nil
	}
	info := &Info{
		Type:      "iso9660",
		Label:     label(primary.sub(40, 32)),
		UUID:      isoUUID(primary.sub(830, 17)),
		BlockSize: int64(primary.le16(128)),
	}
	if info.UUID == "" {
		info.UUID = isoUUID(primary.sub(813, 17))
	}
	info.Size = mul(uint64(primary.le32(80)), uint64(info.BlockSize))
	if joliet != nil {
		info.Version = "Joliet Extension"
		info.Label = jolietLabel(joliet.sub(40, 32), primary.sub(40, 32))
	}
	return info
}

// jolietLabel returns the label from Joliet's 16 characters, completed from the primary
// descriptor's 32 where the two agree as far as Joliet's reach: except for case, and for
// characters that one of the two cannot spell and replaces with an underscore.
func jolietLabel(joliet, primary block) string {
	short := label16(joliet, binary.BigEndian)
	runes := []rune(short)
	if len(utf16.Encode(runes)) < 16 {
		return short
	}
	if len(runes) > len(primary) {
		return short
	}
	for i, r := range runes {
		switch p := rune(primary[i]); {
		case p == '_':
		case r == '_':
			runes[i] = p
		case unicode.ToUpper(r) != unicode.ToUpper(p):
			return short
		case !unicode.IsUpper(p):
			runes[i] = p
		}
	}
	return string(runes) + strings.TrimRight(label(primary.sub(len(runes), len(primary)-len(runes))), " ")
}

// isoUUID spells a date, YYYYMMDDhhmmsscc and a time zone, as blkid does.
func isoUUID(date block) string {
	if len(date) < 16 {
		return ""
	}
	zero := true
	for _, c := range date[:16] {
		if c < '0' || c > '9' {
			return ""
		}
		zero = zero && c == '0'
	}
	if zero && date[16] == 0 {
		return ""
	}
	d := string(date)
	return strings.Join([]string{d[:4], d[4:6], d[6:8], d[8:10], d[10:12], d[12:14], d[14:16]}, "-")
}
