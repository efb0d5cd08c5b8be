package filetype

import (
	"encoding/binary"
	"fmt"
)

// describePNG describes the header of a PNG, after its magic, as file(1) does. The
// library looks for the icon of a system by it.
func describePNG(head []byte) string {
	const ihdr = 16 // width, height, depth, colour type, compression, filter, interlace
	if len(head) < ihdr+13 || string(head[12:16]) != "IHDR" {
		return ""
	}
	h := head[ihdr:]
	s := fmt.Sprintf(", %d x %d, %d-bit", binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:]), h[8])
	s += map[byte]string{0: " grayscale", 2: "/color RGB", 3: " colormap", 4: " gray+alpha", 6: "/color RGBA"}[h[9]]
	switch h[12] {
	case 0:
		s += ", non-interlaced"
	case 1:
		s += ", interlaced"
	}
	return s
}

// describeGIF describes the header of a GIF as file(1) does.
func describeGIF(head []byte) string {
	if len(head) < 10 {
		return ""
	}
	return fmt.Sprintf(", version %s, %d x %d", head[3:6], binary.LittleEndian.Uint16(head[6:]), binary.LittleEndian.Uint16(head[8:]))
}
