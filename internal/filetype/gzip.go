package filetype

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/klauspost/compress/gzip"
)

// describeGzip reads the header of RFC 1952.
func describeGzip(head []byte) string {
	if len(head) < 10 {
		return ""
	}
	// A damaged header has no name, but its fixed part is described all the same.
	s := ""
	z, err := gzip.NewReader(bytes.NewReader(head))
	if err == nil && z.Name != "" {
		s += fmt.Sprintf(", was %q", z.Name)
	}
	if sec := binary.LittleEndian.Uint32(head[4:]); sec != 0 {
		s += ", last modified: " + time.Unix(int64(sec), 0).UTC().Format("Mon Jan _2 15:04:05 2006")
	}
	switch head[8] {
	case 2:
		s += ", max compression"
	case 4:
		s += ", max speed"
	}
	if head[9] == 3 {
		s += ", from Unix"
	}
	return s
}
