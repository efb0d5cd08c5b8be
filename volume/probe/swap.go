package probe

import "encoding/binary"

// Swap space. The signature ends the first page, whose size is the machine's that
// made it. A hibernated system changes the signature.
func probeSwap(s *source) *Info {
	for _, page := range []int{4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10} {
		sig := string(s.head.sub(page-10, 10))
		info := &Info{Type: "swap"}
		switch {
		case sig == "SWAP-SPACE":
			info.Version = "0"
			return info
		case sig == "SWAPSPACE2":
			info.Version = "1"
		case len(sig) == 10 && (sig[:9] == "S1SUSPEND" || sig[:9] == "S2SUSPEND" || sig[:9] == "ULSUSPEND" || sig == "LINHIB0001"):
			info.Type = "swsuspend"
			info.Version = map[string]string{"S1SUSPEND": "s1suspend", "S2SUSPEND": "s2suspend",
				"ULSUSPEND": "ulsuspend", "LINHIB000": "linhib0001"}[sig[:9]]
		default:
			continue
		}
		if s.has(0, "\xed\xc3\x02\xe9\x98\x56\xe5\x0c") {
			info.Type, info.Version = "swsuspend", "tuxonice"
		}
		hdr := s.at(1024, 44)
		// The header is in the byte order of the machine; its version, 1, shows which.
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			if hdr.number(0, 4, order) != 1 {
				continue
			}
			info.UUID = uuid(hdr.sub(12, 16))
			info.Label = label(hdr.sub(28, 16))
			info.Size = mul(hdr.number(4, 4, order)+1, uint64(page))
			return info
		}
		if info.Type == "swsuspend" {
			return info
		}
	}
	return nil
}
