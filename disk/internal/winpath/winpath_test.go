package winpath

import (
	"encoding/binary"
	"testing"
)

func TestRelative(t *testing.T) {
	for path, want := range map[string]string{
		`parent.vhd`:                 "parent.vhd",
		`.\parent.vhd`:               "parent.vhd",
		`.\.\\a b.vhd`:               "a b.vhd",
		`..\..\path2\sub3\p.vhdx`:    "../../path2/sub3/p.vhdx",
		`sub/../p.vhd`:               "sub/../p.vhd",
		`/srv/images/p.vhd`:          "/srv/images/p.vhd",
		`nbd:x`:                      "./nbd:x",
		`.\json:{}`:                  "./json:{}",
		`Größe\δίσκος.vhd`:           "Größe/δίσκος.vhd",
		`C:\p.vhd`:                   "",
		`c:p.vhd`:                    "",
		`d:/p.vhd`:                   "",
		`\p.vhd`:                     "",
		`\\server\share\p.vhd`:       "",
		`//server/share/p.vhd`:       "",
		`\\?\Volume{26A2}\p.vhdx`:    "",
		`\\?\d:\path1\sub2\file.vhd`: "",
		`.\`:                         "",
		``:                           "",
	} {
		got, err := Relative(path)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", path, got, err)
		}
	}
}

func TestUTF16(t *testing.T) {
	const text = "Größe\\δίσκος 💾.vhd"
	for _, order := range []interface {
		binary.ByteOrder
		binary.AppendByteOrder
	}{binary.BigEndian, binary.LittleEndian} {
		b := Encode(text, order)
		if got := Decode(b, order); got != text {
			t.Errorf("%q", got)
		}
		if got := Decode(append(b, 0, 0, 'x', 'x', 'x'), order); got != text {
			t.Errorf("%q with a zero after it", got)
		}
	}
}
