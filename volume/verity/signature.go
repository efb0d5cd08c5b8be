package verity

import (
	"bytes"
	"encoding/hex"
	"encoding/json"

	"github.com/unboot/unboot/volume"
)

// A Signature is what a partition for signatures has of a root hash, as the Discoverable
// Partitions Specification describes it. It is not checked: that needs certificates, and a
// decision about whom to trust, which are those of the system that boots.
type Signature struct {
	Device string // the partition
	// Fingerprint is the SHA-256 of the certificate, in hexadecimal digits, as it is given.
	Fingerprint string
}

// maxSignature bounds the size of the JSON in a partition, in bytes. systemd has the same
// bound.
const maxSignature = 4 << 20

// signature returns the first signature of the root hash among the devices, or nil.
func (t *tree) signature(members []*volume.Member) *Signature {
	for _, m := range members {
		if !signatures[m.PartType] {
			continue
		}
		b := make([]byte, min(m.Size, maxSignature))
		n, _ := m.R.ReadAt(b, 0)
		text, _, _ := bytes.Cut(b[:n], []byte{0})
		var s struct {
			RootHash    string `json:"rootHash"`
			Fingerprint string `json:"certificateFingerprint"`
		}
		if json.Unmarshal(text, &s) != nil || s.RootHash != hex.EncodeToString(t.root) {
			continue
		}
		if b, err := hex.DecodeString(s.Fingerprint); err != nil || len(b) != 32 {
			s.Fingerprint = ""
		}
		return &Signature{Device: m.Name, Fingerprint: s.Fingerprint}
	}
	return nil
}
