package vhdx

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

var le = binary.LittleEndian

// A GUID as it is stored: its first three fields are little-endian.
type GUID [16]byte

// String returns the GUID as Windows writes it, in lower case, without braces.
func (g GUID) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(g[:]), le.Uint16(g[4:]), le.Uint16(g[6:]), g[8:10], g[10:])
}

// guid returns the GUID of a text like that of String.
func guid(s string) GUID {
	var g GUID
	if _, err := hex.Decode(g[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		panic(err)
	}
	for _, f := range [][]byte{g[:4], g[4:6], g[6:8]} {
		for i, j := 0, len(f)-1; i < j; i, j = i+1, j-1 {
			f[i], f[j] = f[j], f[i]
		}
	}
	return g
}

// The GUIDs of regions, of metadata items, and of a type of parents.
var (
	regionBAT      = guid("2dc27766-f623-4200-9d64-115e9bfd4a08")
	regionMetadata = guid("8b7ca206-4790-4b9a-b8fe-575f050f886e")

	itemParameters     = guid("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
	itemSize           = guid("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
	itemID             = guid("beca12ab-b2e6-4523-93ef-c309e000c746")
	itemLogicalSector  = guid("8141bf1d-a96f-4709-ba47-f233a8faab5f")
	itemPhysicalSector = guid("cda348c7-445d-4471-9cc9-e9885251c556")
	itemParent         = guid("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")

	parentVHDX = guid("b04aefb7-d19e-4a81-b789-25b8e9445913")
)
