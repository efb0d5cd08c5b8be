package volume

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// A Target is one line of the table of a device-mapper device, as dmsetup(8) describes it.
type Target struct {
	Start, Length int64 // in sectors of 512 bytes
	Type          string
	// Params are its parameters. Each word "@" stands for the next of Devices, also after a
	// colon ("meta_device:@"), and each word "$" for Key in hexadecimal digits ("-" if it is
	// empty), also after a colon.
	Params  string
	Devices []Base
	Key     []byte `json:"-"` // kept out of all that is printed, and wiped when the volume is gone
}

// Line returns the line as `dmsetup table` prints it without --showkeys: name returns how a
// device is called, such as "253:0".
func (t Target) Line(name func(Base) string) string {
	zeros := strings.Repeat("0", 2*len(t.Key))
	return fmt.Sprintf("%d %d %s %s", t.Start, t.Length, t.Type, string(t.expand(nil, name, []byte(zeros))))
}

// AppendParams appends the parameters as the kernel reads them. What it appends may have the
// key: it is for the caller to wipe it, and b should have the room, or the key stays in what
// is left behind.
func (t Target) AppendParams(b []byte, name func(Base) string) []byte {
	digits := hex.AppendEncode(nil, t.Key)
	defer clear(digits)
	return t.expand(b, name, digits)
}

func (t Target) expand(b []byte, name func(Base) string, key []byte) []byte {
	devices := t.Devices
	for i, word := range strings.Split(t.Params, " ") {
		if i > 0 {
			b = append(b, ' ')
		}
		switch {
		case (word == "@" || strings.HasSuffix(word, ":@")) && len(devices) > 0:
			b = append(b, word[:len(word)-1]...)
			b = append(b, name(devices[0])...)
			devices = devices[1:]
		case word == "$" && len(key) == 0:
			b = append(b, '-')
		case word == "$" || strings.HasSuffix(word, ":$"):
			b = append(b, word[:len(word)-1]...)
			b = append(b, key...)
		default:
			b = append(b, word...)
		}
	}
	return b
}
