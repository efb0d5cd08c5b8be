package nonzero

import "testing"

func TestIn(t *testing.T) {
	for _, n := range []int{0, 1, len(block) - 1, len(block), len(block) + 1, 3*len(block) + 5} {
		b := make([]byte, n)
		if In(b) {
			t.Errorf("%d zeros", n)
		}
		for _, at := range []int{0, n / 2, n - 1} {
			if at < 0 || at >= n {
				continue
			}
			b[at] = 1
			if !In(b) {
				t.Errorf("a byte at %d of %d was not seen", at, n)
			}
			b[at] = 0
		}
	}
}
