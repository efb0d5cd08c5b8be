package distro

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// selftestSource is the archive of the kernel's source, of Debian's linux-source-6.12.
const selftestSource = "/usr/src/linux-source-6.12.tar.xz"

// buildSelftests is run in a chroot, where the kernel's source is in /mnt: it builds the
// selftests in the directories that are its arguments, as far as they build, and copies them.
const buildSelftests = `
cd /mnt && make -s ARCH=x86 headers && cd tools/testing/selftests || exit 1
mkdir -p /kst && cp -a kselftest *.sh /kst/
for t; do
	make -k -s -j2 -C "$t" ARCH=x86 KHDR_INCLUDES="-isystem /mnt/usr/include" OUTPUT="$PWD/$t" >/dev/null 2>&1
	mkdir -p "/kst/$t" && cp -a "$t/." "/kst/$t/" || exit 1
done`

// A selftest is a line of docs/selftests.md.
type selftest struct{ dir, name, result string }

// readSelftests reads the table of docs/selftests.md.
func readSelftests(t *testing.T) (list []selftest) {
	t.Helper()
	data, err := os.ReadFile("../../docs/selftests.md")
	rig.Check(t, "table", err)
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 6 {
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		if slices.Contains([]string{"pass", "fail", "skip", "long"}, f[3]) {
			list = append(list, selftest{f[1], f[2], f[3]})
		}
	}
	return list
}

// TestSelftests runs the kernel's own selftests as programs of a guest, and they end as the table
// in docs/selftests.md has it.
func TestSelftests(t *testing.T) {
	if os.Getenv("UNBOOT_SELFTESTS") == "" {
		t.Skip("some minutes: set UNBOOT_SELFTESTS")
	}
	testimg.NeedRoot(t)
	testimg.Need(t, "unshare", "tar", "xz")
	if _, err := os.Stat(selftestSource); err != nil {
		t.Skip(err)
	}
	list := readSelftests(t)
	if len(list) < 100 {
		t.Fatalf("%d lines in the table", len(list))
	}
	var dirs []string
	for _, s := range list {
		if !slices.Contains(dirs, s.dir) {
			dirs = append(dirs, s.dir)
		}
	}
	image := testimg.Writable(t, testimg.DebianPrograms(t))
	t.Run("build", func(t *testing.T) { // the image is not mounted afterwards
		source := t.TempDir()
		testimg.MustRun(t, "tar", "-C", source, "--strip-components=1", "-xf", selftestSource)
		root := testimg.Loop(t, image, "ext4", "")
		testimg.MustRun(t, "unshare", append([]string{"--mount", "sh", "-c",
			`mount --bind "$1" "$2/mnt" && mount -t proc none "$2/proc" && root=$2 && shift 2 && exec chroot "$root" sh -c "$@"`,
			"sh", source, root, buildSelftests, "sh"}, dirs...)...)
	})
	w := newLibrary(t, image)
	for _, s := range list {
		if s.result == "long" {
			continue
		}
		t.Run(s.dir+"/"+s.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			r := w.run(ctx, filepath.Join("/kst", s.dir), "exec ./"+s.name+" </dev/null")
			got := map[string]string{"0": "pass", "4": "skip", "timeout": "long"}[r.status]
			if got == "" {
				got = "fail"
			}
			if got != s.result {
				t.Errorf("%s (status %s), in the table it is %s:\n%s%s", got, r.status, s.result, r.stdout.Bytes(), r.stderr.Bytes())
			}
			if t.Failed() {
				w.alive(t)
			}
		})
	}
	w.close(t)
}
