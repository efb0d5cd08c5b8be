package probe

import (
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestCorpus compares Probe with what util-linux's tests expect of blkid, over all the
// images that its source brings.
func TestCorpus(t *testing.T) {
	for _, b := range testimg.BlkidImages(t, "images-fs", "low-probe-", 90) {
		if strings.Contains(b.Name, "-multi-") {
			continue // of a session that begins later, which a caller of blkid has to say
		}
		t.Run(b.Name, func(t *testing.T) {
			compare(t, probeFile(t, b.Unpack(t)), udevNames(b.Expected(t)))
		})
	}
}

// compare tells how an answer is not what blkid says.
func compare(t *testing.T, got *Info, want map[string]string) {
	t.Helper()
	for _, c := range []struct{ what, got, want string }{
		{"type", got.Type, want["TYPE"]},
		{"usage", string(got.Usage), want["USAGE"]},
		{"label", got.Label, want["LABEL"]},
		{"UUID", got.UUID, want["UUID"]},
		{"UUID_SUB", got.UUIDSub, want["UUID_SUB"]},
		{"version", got.Version, want["VERSION"]},
		{"block size", strconv.FormatInt(got.BlockSize, 10), want["BLOCK_SIZE"]},
	} {
		optional := c.what == "version" || c.what == "block size"
		if c.got != c.want && !(optional && c.want == "") {
			t.Errorf("%s %q, want %q", c.what, c.got, c.want)
		}
	}
}
