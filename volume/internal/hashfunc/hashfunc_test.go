package hashfunc

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// OpenSSL has the same sums, of those functions that it has by the same names.
func TestOpenSSL(t *testing.T) {
	testimg.Need(t, "openssl")
	compared := 0
	for name, newHash := range ByName {
		out, err := testimg.Run("openssl", "dgst", "-"+strings.Replace(name, "-256", "256", 1), "/dev/null")
		if err != nil {
			continue
		}
		fields := strings.Fields(out)
		if got := hex.EncodeToString(newHash().Sum(nil)); got != fields[len(fields)-1] {
			t.Errorf("%s: %s, not %s", name, got, out)
		}
		compared++
	}
	if compared < 5 {
		t.Errorf("only %d functions were compared", compared)
	}
}
