// Package xfstests runs the generic tests of xfstests that need nothing but a mount, on images
// that are mounted by FUSE. Each ends as a table of docs/conformance.md says; those that do not
// pass are run with the host's own driver too. The suite is not part of this project: XFSTESTS
// names a checkout of it that was built, without which the tests skip.
package xfstests

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

func TestMain(m *testing.M) { rig.Main(m) }

// Variables of the environment: the checkout, what to run of it, as "001 013", and what a test may
// take where that is more than usual.
const (
	suiteVariable = "XFSTESTS"
	onlyVariable  = "XFSTESTS_ONLY"
	limitVariable = "XFSTESTS_LIMIT"
)

var fstypes = []string{"ext4", "xfs", "btrfs"}

// limit returns what a test may take. Those that take longer are "long" in the table.
func limit(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(limitVariable)
	if text == "" {
		return 3 * time.Minute
	}
	d, err := time.ParseDuration(text)
	rig.Check(t, limitVariable, err)
	return d
}

// size is that of the images, which are sparse: some tests skip where there is less room.
const size = 10 << 30

// need returns the checkout and the tests, or skips.
func need(t *testing.T) (suite string, tests []string) {
	t.Helper()
	suite = os.Getenv(suiteVariable)
	if suite == "" {
		t.Skip(suiteVariable + " does not name a checkout of xfstests")
	}
	testimg.NeedRoot(t)
	testimg.Need(t, "xfs_io", "attr", "setfacl", "bc", "perl", "mount", "losetup")
	suite, err := filepath.EvalSymlinks(suite)
	rig.Check(t, "suite", err)
	suite, err = filepath.Abs(suite)
	rig.Check(t, "suite", err)
	if _, err := os.Stat(suite + "/ltp/fsstress"); err != nil {
		t.Fatalf("the suite is not built: %v", err)
	}
	tests, err = eligible(suite)
	rig.Check(t, "tests", err)
	if len(tests) < 200 {
		t.Fatalf("%s: only %d tests", suite, len(tests))
	}
	if only := strings.Fields(os.Getenv(onlyVariable)); len(only) > 0 {
		tests = only
	}
	return suite, tests
}

// TestMounted runs the tests on the mount.
func TestMounted(t *testing.T) {
	suite, tests := need(t)
	table, err := readTable("../../docs/conformance.md")
	rig.Check(t, "table", err)
	program := filepath.Join(t.TempDir(), "unboot")
	testimg.MustRun(t, "go", "build", "-o", program, "../../cmd/unboot")
	for _, fstype := range fstypes {
		t.Run(fstype, func(t *testing.T) {
			image := blank(t, fstype)
			r := &runner{
				suite: suite, image: image, limit: limit(t), log: t.Logf,
				fstype: "fuse", subtype: ".unboot", options: "-o rw,allow_other,dev,suid", program: program,
			}
			got, err := r.run(t, tests)
			rig.Check(t, "xfstests", err)
			testimg.Fsck(t, fstype, image)
			var missed []string
			for name, o := range got {
				if o.result != pass {
					missed = append(missed, name)
				}
			}
			slices.Sort(missed)
			theirs := onHost(t, suite, fstype, missed)
			compare(t, fstype, tests, table, got, theirs)
		})
	}
}

// blank returns an image with an empty file system that everybody may write to.
func blank(t *testing.T, fstype string) string {
	t.Helper()
	image := testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{Size: size}))
	img, err := unboot.Open(context.Background(), image, unboot.Writable())
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	rig.Check(t, "open", err)
	fsys, err := img.MountAuto()
	rig.Check(t, "mount", err)
	rig.Check(t, "chmod", fsys.Chmod(".", 0o777))
	rig.Check(t, "close", img.Close())
	return image
}

// loop returns a loop device with an image. It is there as long as the test runs, or somebody has
// it mounted.
func loop(t *testing.T, image string) (device string) {
	t.Helper()
	device = strings.TrimSpace(testimg.MustRun(t, "losetup", "--show", "-f", image))
	f, err := os.Open(device)
	rig.Check(t, "loop device", err)
	t.Cleanup(func() { f.Close() })
	info, err := unix.IoctlLoopGetStatus64(int(f.Fd()))
	if err == nil {
		info.Flags |= unix.LO_FLAGS_AUTOCLEAR
		err = unix.IoctlLoopSetStatus64(int(f.Fd()), info)
	}
	rig.Check(t, "loop device", err)
	return device
}

// onHost runs tests with the host's own driver on a loop device. It returns nil if it has none.
func onHost(t *testing.T, suite, fstype string, tests []string) map[string]outcome {
	t.Helper()
	if !testimg.HostHas(fstype) || len(tests) == 0 {
		return nil
	}
	device := loop(t, blank(t, fstype))
	r := &runner{suite: suite, image: device, limit: limit(t), log: t.Logf, fstype: fstype}
	if fstype == "xfs" {
		r.options = "-o nouuid" // all images have the same
	}
	got, err := r.run(t, tests)
	rig.Check(t, "xfstests on the host", err)
	return got
}

// compare fails for each test that does not end as the table says, and prints what the table
// should be, also for those that it does not have.
func compare(t *testing.T, fstype string, tests []string, table map[key]line, got, theirs map[string]outcome) {
	t.Helper()
	counts, other, absent := map[string]int{}, 0, 0
	for _, name := range tests {
		o, host := got[name], theirs[name]
		counts[o.result]++
		want, ok := table[key{fstype, name}]
		switch {
		case !ok:
			absent++
		case o.result != want.result:
			t.Errorf("%s: %s, in the table it is %q (%s): %s", name, o.result, want.result, want.reason, o.text)
			other++
		case host.result != "" && o.result != pass && strings.HasPrefix(want.reason, asOnHost) != (host.result == o.result):
			t.Errorf("%s: %s, as the table says, but for the reason %q, and on the host it is %s: %s", name, o.result, want.reason, host.result, host.text)
			other++
		}
	}
	t.Logf("%s: %v; %d end otherwise than in the table, which lacks %d", fstype, counts, other, absent)
	if other+absent > 0 {
		t.Logf("the lines of the table would be:\n%s", summary(fstype, got, theirs))
	}
}

// asOnHost begins the reason of what the host's own driver does alike.
const asOnHost = "as on the host"

// summary returns the lines that a table would have.
func summary(fstype string, got, theirs map[string]outcome) string {
	groups := map[line][]string{}
	for name, o := range got {
		l := line{result: o.result}
		if o.result != pass {
			l.reason = o.text
			if host, ok := theirs[name]; ok && host.result == o.result {
				l.reason = asOnHost + ": " + l.reason
			}
		}
		groups[l] = append(groups[l], name)
	}
	order := func(a, b line) int { return cmp.Or(cmp.Compare(a.result, b.result), cmp.Compare(a.reason, b.reason)) }
	var b strings.Builder
	for _, l := range slices.SortedFunc(maps.Keys(groups), order) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", fstype, l.result, ranges(groups[l]), l.reason)
	}
	return b.String()
}

// stand is a suite of four tests, of which the second goes on for ever, the third fails and the
// fourth skips. They see users that the host does not have, and leave things behind.
const stand = `#!/bin/sh
. "$HOST_OPTIONS"
[ "$1 $2" = "-R xunit-quiet" ] && shift 2
for name; do
	printf '%s  ' "$name"
	case $name in
	*1) grep -q '^fsgqa2:' /etc/passwd && touch /tmp/left /etc/left /sbin/left && mount -t tmpfs left "$TEST_DIR";;
	*2) mount -t tmpfs left "$TEST_DIR"; sleep 1000 & sleep 1000;;
	*3) what='<failure message="wrong"/>';;
	*4) what='<skipped message="no such | thing"/>';;
	esac || what='<failure message="no users"/>'
	list="$list<testcase name='$name'>$what</testcase>"
	echo "<testsuite>$list</testsuite>" >"$RESULT_BASE/result.xml"
	echo done
done
exit 1
`

// TestTimeLimit: a test that goes on for ever is ended with all that it has started, those after it
// run, and nothing stays on the host.
func TestTimeLimit(t *testing.T) {
	testimg.NeedRoot(t)
	testimg.Need(t, "mount")
	suite := t.TempDir()
	rig.Check(t, "suite", os.WriteFile(suite+"/check", []byte(stand), 0o755))
	users, err := os.ReadFile("/etc/passwd")
	rig.Check(t, "users", err)
	r := &runner{suite: suite, image: suite + "/none", limit: 3 * time.Second, log: t.Logf, fstype: "ext4"}
	got, err := r.run(t, []string{"001", "002", "003", "004"})
	rig.Check(t, "run", err)
	want := map[string]outcome{"001": {pass, ""}, "002": {long, "more than 3s"}, "003": {fail, "wrong"}, "004": {notRun, "no such / thing"}}
	if !maps.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if data, err := os.ReadFile("/proc/self/mountinfo"); err != nil || bytes.Contains(data, []byte(" left ")) {
		t.Errorf("%v, something is mounted:\n%s", err, data)
	}
	for _, dir := range []string{"/tmp", "/etc", "/sbin"} {
		if _, err := os.Stat(dir + "/left"); err == nil {
			t.Errorf("%s/left is there", dir)
		}
	}
	if after, err := os.ReadFile("/etc/passwd"); err != nil || !bytes.Equal(after, users) {
		t.Errorf("%v, the host has other users", err)
	}
}
