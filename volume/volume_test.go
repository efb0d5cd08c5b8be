package volume

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// A device is read to its last byte, and not past it, whatever its reader says at the end.
func TestReadFull(t *testing.T) {
	m := &Member{R: bytes.NewReader([]byte("abcdef")), Size: 6, Name: "/dev/x"}
	b := make([]byte, 4)
	if err := m.ReadFull(b, 2); err != nil || string(b) != "cdef" {
		t.Errorf("%q, %v", b, err)
	}
	for _, off := range []int64{-1, 3, 7, math.MaxInt64, math.MinInt64} {
		if err := m.ReadFull(b, off); err == nil || !strings.Contains(err.Error(), "/dev/x") {
			t.Errorf("at %d: %v", off, err)
		}
	}
	m.Size = 10 // of a device that was cut off
	if err := m.ReadFull(b, 4); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
