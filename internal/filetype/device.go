package filetype

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/unboot/unboot/volume/probe"
)

// deviceBytes is how much of a device is looked at if it has no file system.
const deviceBytes = 4096

// DescribeDevice returns what "file -sb" prints for a device of size bytes. The name of a
// file system is that of blkid(8). An error is one of r.
func DescribeDevice(r io.ReaderAt, size int64) (string, error) {
	head := make([]byte, min(size, deviceBytes))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return "", err
	}
	// A device that can be read only in part is described by what could be read: file(1)
	// does not fail either.
	c, err := probe.Probe(r, size)
	if err != nil || c == nil || c.Type == "" {
		return describe(head, r), nil
	}
	text := c.Type + " filesystem data"
	if strings.HasPrefix(c.Type, "ext") { // any that has features is of revision 1
		text = "Linux rev 1.0 " + text
	}
	if c.UUID != "" {
		text += ", UUID=" + c.UUID
	}
	if c.Label != "" {
		text += fmt.Sprintf(", volume name %q", c.Label)
	}
	return text + extFeatures(c.Type, head), nil
}

// extFeatures returns what file(1) adds for the features in a superblock of ext4, in the
// order of its magic: of the incompatible ones (at 0x60), then of the read-only compatible.
func extFeatures(typ string, head []byte) (s string) {
	const super = 1024
	if !strings.HasPrefix(typ, "ext") || len(head) < 2*super {
		return ""
	}
	for _, f := range []struct {
		off  int
		bit  uint32
		text string
	}{
		{0x60, 0x04, " (needs journal recovery)"}, {0x60, 0x40, " (extents)"}, {0x60, 0x80, " (64bit)"},
		{0x64, 0x02, " (large files)"}, {0x64, 0x08, " (huge files)"},
	} {
		if binary.LittleEndian.Uint32(head[super+f.off:])&f.bit != 0 {
			s += f.text
		}
	}
	return s
}
