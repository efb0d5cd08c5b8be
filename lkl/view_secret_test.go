package lkl

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// What an ioctl was given as a secret is nowhere in the window afterwards, also
// if the call fails; without that, it is.
func TestIoctlSecret(t *testing.T) {
	testIoctlSecret(t, bootFake(t, nil))
}

func TestRealIoctlSecret(t *testing.T) {
	testIoctlSecret(t, bootReal(t, nil))
}

func testIoctlSecret(t *testing.T, k *Kernel) {
	fd, err := k.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, "open", err)
	for _, size := range []int{64, 4 << 10, 100 << 10, 1 << 20} { // of the slot, and of the arena
		secret := []byte("the key of this volume")
		arg := make([]byte, size)
		copy(arg[size-len(secret):], secret)
		if _, err := k.IoctlSecret(fd, 0xdead, arg); err != unix.ENOTTY {
			t.Errorf("%d bytes: %v", size, err)
		}
		if !bytes.HasSuffix(arg, secret) {
			t.Errorf("%d bytes: the caller's copy is not as it was", size)
		}
		if i := bytes.Index(k.w.mem, secret); i >= 0 {
			t.Errorf("%d bytes: the window holds the secret at %#x", size, i)
		}
		if _, err := k.Ioctl(fd, 0xdead, arg); err != unix.ENOTTY {
			t.Errorf("%d bytes: %v", size, err)
		}
		i := bytes.Index(k.w.mem, secret)
		if i < 0 {
			t.Errorf("%d bytes: an ioctl without secret leaves no copy: this test looks in the wrong place", size)
		} else {
			clear(k.w.mem[i : i+len(secret)])
		}
	}
}
