package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// ordinaryVariable makes this program run programs on the image that it names, as a user who may
// do nothing.
const ordinaryVariable = "UNBOOT_TEST_ORDINARY"

// TestProgramOrdinaryUser runs programs as a user without a capability, on a host that gives out
// no more user namespaces, as in a container.
func TestProgramOrdinaryUser(t *testing.T) {
	if image := os.Getenv(ordinaryVariable); image != "" {
		img, err := unboot.Open(t.Context(), image, unboot.Writable())
		rig.Check(t, "open", err)
		tree, err := img.Mount("/dev/sda")
		rig.Check(t, "mount", err)
		out, err := tree.Command("/bin/sh", "-c", "id -u; touch /root/file && chown 5:6 /root/file; stat -c %u:%g /root/file; hostile ranges").CombinedOutput()
		fmt.Printf("%q, %v, user namespace: %v\n", out, err, img.Kernel().Sandbox().Has(lkl.SANDBOX_NEWUSER))
		rig.Check(t, "close", img.Close())
		return
	}
	testimg.NeedRoot(t)
	testimg.Need(t, "setpriv", "unshare")
	base := guestImage(t)
	openGuest(t, base).img.Close() // skips
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		rig.Check(t, "chmod", os.Chmod(d, 0o755))
	}
	image := dir + "/image"
	rig.Check(t, "copy", testimg.Copy(base, image))
	rig.Check(t, "chown", os.Chown(image, 65534, 65534))
	self, err := os.Executable()
	rig.Check(t, "executable", err)
	files := map[string]string{self: dir + "/program"}
	env := []string{ordinaryVariable + "=" + image, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	if kernel := os.Getenv("UNBOOT_KERNEL"); kernel != "" {
		files[kernel], files[filepath.Dir(kernel)+"/stub"] = dir+"/vmlinux", dir+"/stub"
		env = append(env, "UNBOOT_KERNEL="+dir+"/vmlinux")
	}
	for from, to := range files {
		rig.Check(t, "copy", testimg.Copy(from, to))
		rig.Check(t, "chmod", os.Chmod(to, 0o755))
	}
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "--user", "--map-root-user", "sh", "-c",
		`echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$0" "$@"`,
		dir+"/program", "-test.run=^TestProgramOrdinaryUser$")
	cmd.Env, cmd.Dir = env, "/"
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "unshare") {
		t.Skipf("the host has no user namespaces: %s", out)
	}
	if want := `"0\n5:6\ndone\nend\n", <nil>, user namespace: false`; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v: %s", err, out)
	}
}
