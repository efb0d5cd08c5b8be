package part

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// parseGUID is the reverse of guid. It takes letters of either case.
func parseGUID(s string) ([16]byte, error) {
	var g [16]byte
	digits := strings.ReplaceAll(s, "-", "")
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != 16 || len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return g, fmt.Errorf("%w GUID %q", ErrInvalid, s)
	}
	copy(g[:], b)
	swapGUID(&g)
	if g == [16]byte{} { // in a table, this marks an unused entry
		return g, fmt.Errorf("%w GUID %q: it means that there is none", ErrInvalid, s)
	}
	return g, nil
}

// swapGUID changes the byte order of the first three numbers.
func swapGUID(g *[16]byte) {
	g[0], g[1], g[2], g[3] = g[3], g[2], g[1], g[0]
	g[4], g[5] = g[5], g[4]
	g[6], g[7] = g[7], g[6]
}

// randomGUID returns a GUID of version 4 (RFC 9562).
func randomGUID(r io.Reader) ([16]byte, error) {
	var g [16]byte
	if _, err := io.ReadFull(r, g[:]); err != nil {
		return g, fmt.Errorf("make a GUID: %w", err)
	}
	g[6] = g[6]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	swapGUID(&g)
	return g, nil
}

// guidOr returns the GUID that a string spells, or a random one if it is "".
func guidOr(s string, r io.Reader) ([16]byte, error) {
	if s == "" {
		return randomGUID(r)
	}
	return parseGUID(s)
}

const (
	guidLinux = "0fc63daf-8483-4772-8e79-3d69d8477de4"
	guidEFI   = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	guidBasic = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
)

// mbrGUIDs are the types of a GPT for those of an MBR, where gdisk has one that is not
// the one of Linux file systems.
var mbrGUIDs = map[byte]string{
	0x01: guidBasic, 0x04: guidBasic, 0x06: guidBasic, 0x07: guidBasic, 0x0b: guidBasic, 0x0c: guidBasic, 0x0e: guidBasic,
	0x11: guidBasic, 0x14: guidBasic, 0x16: guidBasic, 0x17: guidBasic, 0x1b: guidBasic, 0x1c: guidBasic, 0x1e: guidBasic,
	0x27: "de94bba4-06d1-4d40-a16a-bfd50179d6ac", // Windows recovery
	0x39: "c91818f9-8025-47af-89d2-f030d7000c2c", // Plan 9
	0x41: "9e1a2d38-c612-4316-aa26-8b49521e5a8b", // PReP
	0x42: "af9b60a0-1431-4f62-bc68-3311714a69ad", // LDM
	0x82: "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", // swap
	0x8e: "e6d6d379-f507-44c2-a23c-238f2a3df928", // LVM
	0xa5: "516e7cb4-6ecf-11d6-8ff8-00022d09712b", // FreeBSD
	0xa6: "824cc7a0-36a8-11e3-890a-952519ad3f61", // OpenBSD
	0xa8: "55465300-0000-11aa-aa11-00306543ecac", // Apple UFS
	0xa9: "516e7cb4-6ecf-11d6-8ff8-00022d09712b",
	0xab: "426f6f74-0000-11aa-aa11-00306543ecac", // Apple boot
	0xaf: "48465300-0000-11aa-aa11-00306543ecac", // HFS+
	0xbe: "6a82cb45-1dd2-11b2-99a6-080020736631", // Solaris boot
	0xbf: "6a85cf4d-1dd2-11b2-99a6-080020736631", // Solaris
	0xea: "bc13c2ff-59e6-4262-a352-b275fd6f7172", // extended boot
	0xeb: "42465331-3ba3-10f1-802a-4861696b7521", // BeOS
	0xef: guidEFI,
	0xfb: "aa31e02a-400f-11db-9590-000c2911d1b8", // VMFS
	0xfc: "9d275380-40ad-11db-bf97-000c2911d1b8", // VMKCORE
	0xfd: "a19d880f-05fc-4d3b-a006-743f0f84911e", // RAID
}

// GPTType returns the type that a partition of an MBR table would have in a GPT: a GUID,
// or "" for extended and protective partitions, which a GPT does not have. Types without
// a GUID of their own get that of Linux file systems, as gdisk(8) gives them.
func GPTType(mbrType byte) string {
	switch mbrType {
	case 0x05, 0x0f, 0x85, typeProtective:
		return ""
	}
	if g := mbrGUIDs[mbrType]; g != "" {
		return g
	}
	return guidLinux
}
