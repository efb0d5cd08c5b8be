package port

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// SHA-256 of data of many lengths is what veritysetup says: a block and a salt are hashed
// together.
func TestVerity(t *testing.T) {
	testimg.Need(t, "veritysetup")
	const size = 256 << 10
	data := noise(size, 5)
	m := newMachine(t, &lkl.Config{})
	for i, salt := range []int{0, 1, 7, 32, 55, 56, 63, 64, 65, 119, 120, 129, 256} {
		block := 512 << (i % 4)
		digits := "-"
		if salt > 0 {
			digits = strings.Repeat("c3", salt)
		}
		disk, tree := image(t, data), image(t, nil)
		out, err := exec.Command("veritysetup", "format", disk, tree, "--no-superblock", "--hash=sha256", "--salt="+digits,
			fmt.Sprint("--data-block-size=", block), fmt.Sprint("--hash-block-size=", block)).CombinedOutput()
		if err != nil {
			t.Fatalf("veritysetup: %v: %s", err, out)
		}
		root := regexp.MustCompile(`Root hash:\s+([0-9a-f]+)`).FindSubmatch(out)
		if root == nil {
			t.Fatalf("veritysetup: %s", out)
		}
		table := fmt.Sprintf("1 @ @ %d %d %d 0 sha256 %s %s", block, block, size/block, root[1], digits)
		d, err := m.c.Create("verity", "", true, target(size, "verity", table, nil, 2), names(m.disk(disk), m.disk(tree)))
		rig.Check(t, table, err)
		if !bytes.Equal(m.read(d, size), data) {
			t.Errorf("%d bytes of salt: other data", salt)
		}
		m.remove("verity")
	}
}
