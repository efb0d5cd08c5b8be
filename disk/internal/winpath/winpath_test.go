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

// The name of a parent is found again as it was given.
func TestOf(t *testing.T) {
	for path, want := range map[string]string{
		"base": "base", "./sub//base": "sub//base", "../a/b.vhdx": "../a/b.vhdx", "/srv/base": "/srv/base", "a:b": "./a:b", "ä": "ä",
		`a\b`: "", "": "", "a\x00": "",
	} {
		name, err := Of(path)
		if (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", path, name, err)
		}
		if err != nil {
			continue
		}
		if got, err := Relative(name); got != want || err != nil {
			t.Errorf("%q: %q, %q, %v", path, name, got, err)
		}
	}
}
