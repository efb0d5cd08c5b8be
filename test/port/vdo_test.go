package port

import (
	"testing"

	"github.com/unboot/unboot/lkl"
)

// What is no VDO is an error, and the kernel goes on.
func TestNoVDO(t *testing.T) {
	const size = 64 << 20
	m := newMachine(t, &lkl.Config{})
	geometry := append([]byte("dmvdo001"), noise(4088, 1)...)
	for _, content := range [][]byte{make([]byte, size), noise(size, 6), append(geometry, make([]byte, size-4096)...)} {
		disk := m.disk(image(t, content))
		if _, err := m.create("vdo", size, "vdo", "V4 @ 16384 4096 32768 16380", nil, disk); err == nil {
			t.Error("no error")
			m.remove("vdo")
		} else {
			t.Log(err)
		}
	}
	if err := m.k.Close(); err != nil {
		t.Error(err)
	}
}
