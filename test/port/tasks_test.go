package port

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// Each device has a thread. When there can be no more of these, there is an error, and what
// has been made works.
func TestManyDevices(t *testing.T) {
	const most = 4096
	m := newMachine(t, &lkl.Config{})
	disk := m.disk(image(t, noise(1<<20, 1)))
	made := 0
	for ; made < most; made++ {
		_, err := m.create(fmt.Sprint("volume", made), 4096, "linear", "@ 0", nil, disk)
		if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM) {
			t.Logf("%d devices, then: %v", made, err)
			if errors.Is(err, unix.ENXIO) && !strings.Contains(err.Error(), "no thread left") {
				t.Errorf("%v: does not say why", err)
			}
			break
		} else if err != nil {
			t.Fatalf("%d devices, then: %v", made, err)
		}
	}
	if made < 250 {
		t.Errorf("only %d devices", made)
	}
	for i := range made {
		m.remove(fmt.Sprint("volume", i))
	}
	m.must("again", 4096, "linear", "@ 0", nil, disk)
	m.remove("again")
	if err := m.k.Close(); err != nil {
		t.Error(err)
	}
}
