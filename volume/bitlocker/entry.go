package bitlocker

import "iter"

// The types of entries that are looked at: what an entry is for, and what is in it.
const (
	forProperty    = 0x0000
	forVMK         = 0x0002
	forFVEK        = 0x0003
	forStartupKey  = 0x0006
	forDescription = 0x0007
	forBootSectors = 0x000f

	isKey         = 0x0001
	isText        = 0x0002
	isStretched   = 0x0003
	isEncrypted   = 0x0005
	isVMK         = 0x0008
	isExternalKey = 0x0009
	isExtent      = 0x000f

	// entryHead is the length of an entry's header.
	entryHead = 8
)

// An entry is one of the values of which the metadata is made up.
type entry struct {
	role, kind uint16
	data       []byte
}

// entries yields the entries that lie one after another in b, up to the first that
// is not whole.
func entries(b []byte) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for len(b) >= entryHead {
			n := int(le16(b))
			if n < entryHead || n > len(b) {
				return
			}
			if !yield(entry{role: le16(b[2:]), kind: le16(b[4:]), data: b[entryHead:n]}) {
				return
			}
			b = b[n:]
		}
	}
}

// A sealed is a key that is encrypted by AES-CCM.
type sealed struct {
	nonce, mac, data []byte
}

// seal returns what an entry of the type isEncrypted holds, or nil.
func seal(e entry) *sealed {
	const nonce, mac = 12, 16
	if e.kind != isEncrypted || len(e.data) < nonce+mac+entryHead+4 {
		return nil
	}
	return &sealed{e.data[:nonce], e.data[nonce : nonce+mac], e.data[nonce+mac:]}
}

// open returns the key that was encrypted, and what it is for: a [Method], if it is the one
// of the data. It is nil if the key that is given does not fit.
func (s *sealed) open(key []byte) (plain []byte, method Method) {
	if s == nil {
		return nil, 0
	}
	b := openCCM(key, s.nonce, s.mac, s.data)
	// What was encrypted is an entry in its turn: that of a key.
	if len(b) < entryHead+4 || int(le16(b)) != len(b) || le16(b[4:]) != isKey {
		clear(b)
		return nil, 0
	}
	return b[entryHead+4:], Method(le16(b[entryHead:]))
}
