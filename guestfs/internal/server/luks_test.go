package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
)

// TestLUKS compares the UUID with that of cryptsetup.
func TestLUKS(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "cryptsetup")
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"luks1", "luks2"} {
		disk := image(t, 20)
		testimg.MustRun(t, "cryptsetup", "-q", "luksFormat", "--type", version, "--pbkdf", "pbkdf2",
			"--pbkdf-force-iterations", "1000", "--use-urandom", disk, key)
		want := strings.TrimSpace(testimg.MustRun(t, "cryptsetup", "luksUUID", disk))
		c := connect(t, Drive{Path: disk}, Drive{Path: image(t, 1)})
		wantText(t, c, rpc.ProcLuksUuid, &rpc.LuksUuidArgs{Device: "/dev/sda"}, want)
		wantError(t, c, rpc.ProcLuksUuid, &rpc.LuksUuidArgs{Device: "/dev/sdb"}, "Device /dev/sdb is not a valid LUKS device.")
	}
}
