// Package winpath turns the paths of Windows that images name into those that package source
// understands.
package winpath

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// Relative returns a path of Windows that is relative to the directory of an image, with
// slashes. A path that is absolute in the sense of Unix is returned as it is. The error of
// every other one says that it means nothing here: one with a drive letter, of a network
// share, of a device, or relative to a drive.
func Relative(path string) (string, error) {
	rest := strings.ReplaceAll(path, `\`, "/")
	switch {
	case rest == "":
		return "", fmt.Errorf("the path is empty")
	case strings.HasPrefix(path, `\`) || strings.HasPrefix(rest, "//"), len(rest) > 1 && rest[1] == ':' && letter(rest[0]):
		return "", fmt.Errorf("%q is a path of Windows that is not relative to the image", path)
	}
	for strings.HasPrefix(rest, "./") {
		rest = strings.TrimLeft(rest[2:], "/")
	}
	if first, _, _ := strings.Cut(rest, "/"); strings.Contains(first, ":") {
		rest = "./" + rest // not a protocol, as QEMU's names may have
	}
	if rest == "" {
		return "", fmt.Errorf("%q is not the path of a file", path)
	}
	return rest, nil
}

// Of returns a path as it stands in an image: with the separators of Windows if it is
// relative, and as it is if it is absolute in the sense of Unix. [Relative] is the reverse.
func Of(path string) (string, error) {
	switch {
	case path == "" || strings.ContainsAny(path, "\\\x00"):
		return "", fmt.Errorf("%q cannot be the name of a parent", path)
	case path[0] == '/':
		return path, nil
	}
	for strings.HasPrefix(path, "./") {
		path = strings.TrimLeft(path[2:], "/")
	}
	return `.\` + strings.ReplaceAll(path, "/", `\`), nil
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// Decode decodes UTF-16, up to its first zero.
func Decode(b []byte, order binary.ByteOrder) string {
	u := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		c := order.Uint16(b)
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}

// Encode encodes a text in UTF-16, without a zero at its end.
func Encode(s string, order binary.AppendByteOrder) []byte {
	var b []byte
	for _, c := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, c)
	}
	return b
}
