package bitlocker

import (
	"fmt"
	"time"
)

// A Header is what the metadata of a volume says.
type Header struct {
	Version     int       // of the metadata: 1 is Windows Vista, 2 is later
	UUID        string    // the identifier of the volume, as `cryptsetup bitlkDump` shows it
	Description string    // computer, label and date, as Windows wrote them
	Created     time.Time // when the encryption was set up
	Method      Method    // how the data is encrypted
	ToGo        bool      // the boot sector poses as that of a FAT, for removable media
	SectorSize  int       // of encryption, in bytes
	State       State     // how far the encryption has come
	NextState   State     // what it is to become
	// Encrypted is up to where the volume is encrypted, in bytes, unless it has a bitmap.
	Encrypted  int64
	Protectors []Protector // what the master key is protected with
}

// A Protector is one way to the master key.
type Protector struct {
	UUID    string // its identifier, as Windows shows it
	Name    string // "DiskPassword", "ExternalKey"…, or what the user called it
	Type    ProtectorType
	Changed time.Time
}

// A State is how far the encryption of a volume has come.
type State uint16

// The states of a volume.
const (
	Decrypted      State = 1
	SwitchingDirty State = 2 // with sectors in a log that are not yet at their place
	Paused         State = 3
	Encrypted      State = 4
	Switching      State = 5
)

func (s State) String() string {
	switch s {
	case Decrypted:
		return "decrypted"
	case SwitchingDirty:
		return "converting, with a log"
	case Paused:
		return "conversion paused"
	case Encrypted:
		return "encrypted"
	case Switching:
		return "converting"
	}
	return fmt.Sprintf("state %d", uint16(s))
}

// A Method is how the sectors are encrypted.
type Method uint16

// The methods of encryption.
const (
	AESCBC128Diffuser Method = 0x8000
	AESCBC256Diffuser Method = 0x8001
	AESCBC128         Method = 0x8002
	AESCBC256         Method = 0x8003
	AESXTS128         Method = 0x8004
	AESXTS256         Method = 0x8005
)

// cipher returns how dm-crypt calls the method, and the length of its key in bytes; it is
// "" if the method is not known.
func (m Method) cipher() (name string, key int) {
	switch m {
	case AESCBC128Diffuser:
		return "aes-cbc-elephant", 32
	case AESCBC256Diffuser:
		return "aes-cbc-elephant", 64
	case AESCBC128:
		return "aes-cbc-eboiv", 16
	case AESCBC256:
		return "aes-cbc-eboiv", 32
	case AESXTS128:
		return "aes-xts-plain64", 32
	case AESXTS256:
		return "aes-xts-plain64", 64
	}
	return "", 0
}

func (m Method) String() string {
	name, key := m.cipher()
	if name == "" {
		return fmt.Sprintf("method %#x", uint16(m))
	}
	return fmt.Sprintf("%s, %d bits", name, key*8)
}

// A ProtectorType says what protects the master key, as the metadata does: by bits.
type ProtectorType uint16

// The bits of a protector. One of TPM is often joined with another.
const (
	ClearKey         ProtectorType = 0
	TPM              ProtectorType = 0x0100
	ExternalKey      ProtectorType = 0x0200 // a startup key or a recovery key in a file
	PIN              ProtectorType = 0x0400
	RecoveryPassword ProtectorType = 0x0800
	SmartCard        ProtectorType = 0x1000
	Password         ProtectorType = 0x2000

	protectorMask ProtectorType = 0xff00
)

func (t ProtectorType) String() string {
	if t == ClearKey {
		return "clear key"
	}
	s := ""
	for _, bit := range []struct {
		t    ProtectorType
		name string
	}{{TPM, "TPM"}, {PIN, "PIN"}, {ExternalKey, "startup key"}, {RecoveryPassword, "recovery password"},
		{SmartCard, "smart card"}, {Password, "password"}} {
		if t&bit.t == 0 {
			continue
		}
		if s != "" {
			s += " and "
		}
		s += bit.name
		t &^= bit.t
	}
	if t != 0 {
		return fmt.Sprintf("protector %#x", uint16(t))
	}
	return s
}

// filetime returns the time that a FILETIME stands for: units of 100 ns since 1601.
func filetime(v uint64) time.Time {
	const epoch, second = 11644473600, 10_000_000
	return time.Unix(int64(v/second)-epoch, int64(v%second)*100).UTC()
}
