package unboot_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// hostBtrfs makes an image of a btrfs, which script has filled over the host's own driver
// with the mounted directory as its own.
func hostBtrfs(t *testing.T, script string, mkfs ...string) string {
	t.Helper()
	testimg.Need(t, "mkfs.btrfs", "btrfs")
	testimg.NeedRoot(t)
	image := filepath.Join(t.TempDir(), "btrfs.img")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 256<<20); err != nil {
		t.Fatal(err)
	}
	hostRun(t, "", "mkfs.btrfs", append(append([]string{"-q"}, mkfs...), image)...)
	onHost(t, image, "compress=zstd", script)
	return image
}

// onHost runs a shell script in a file system that the host has mounted for it.
func onHost(t *testing.T, image, options, script string) string {
	t.Helper()
	out := ""
	t.Run("host", func(t *testing.T) {
		dir := testimg.Loop(t, image, "btrfs", options)
		out = hostRun(t, dir, "sh", "-ec", script)
	})
	if t.Failed() {
		t.FailNow()
	}
	return out
}

func hostRun(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// historyScript makes snapshots before and after changes of all kinds.
const historyScript = `
btrfs subvolume create vol >/dev/null
mkdir vol/dir vol/dir/sub
echo hello >vol/dir/hello
head -c 3000000 /dev/urandom >vol/random
yes compressible | head -c 2000000 >vol/text
ln vol/random vol/dir/hard; ln -s ../text vol/dir/soft
mkfifo vol/fifo; mknod vol/null c 1 3
truncate -s 10M vol/sparse; echo end >>vol/sparse
chown 12:34 vol/text; chmod 4711 vol/text
setfattr -n user.a -v b vol/dir/hello
cp --reflink=always vol/random vol/clone
btrfs subvolume snapshot -r vol one >/dev/null
mv vol/dir/sub vol/moved; rm vol/dir/hard; mv vol/text vol/dir/text
echo more >>vol/dir/hello
dd if=/dev/urandom of=vol/random bs=4096 seek=100 count=20 conv=notrunc status=none
cp --reflink=always vol/clone vol/again
truncate -s 1000 vol/clone
setfattr -x user.a vol/dir/hello; setfattr -n user.c -v d vol/dir/hello
ln -s nowhere vol/dangling; rmdir vol/moved; mkdir vol/fifo.d; rm vol/fifo
touch -d @1000000000.5 vol/null
btrfs subvolume snapshot -r vol two >/dev/null
sync`

// TestSend compares streams with those of the host's kernel, byte by byte.
func TestSend(t *testing.T) {
	image := hostBtrfs(t, historyScript)
	want := t.TempDir()
	onHost(t, image, "ro", `
btrfs send -q one >`+want+`/full
btrfs send -q -p one two >`+want+`/diff
btrfs send -q -c one two >`+want+`/clone
btrfs send -q --proto 2 two >`+want+`/v2
btrfs send -q --proto 2 --compressed-data -p one two >`+want+`/v2diff
btrfs send -q --proto 2 --compressed-data one >`+want+`/compressed
btrfs send -q --no-data -p one two >`+want+`/nodata`)
	img, err := unboot.Open(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	f, err := img.Mount("/dev/sda", unboot.Data("subvolid=5"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file, name string
		o          unboot.SendOptions
	}{
		{"full", "one", unboot.SendOptions{}},
		{"diff", "two", unboot.SendOptions{Parent: "one"}},
		{"clone", "two", unboot.SendOptions{Clones: []string{"one"}}},
		{"v2", "two", unboot.SendOptions{Protocol: 2}},
		{"v2diff", "two", unboot.SendOptions{Protocol: 2, Compressed: true, Parent: "one"}},
		{"compressed", "one", unboot.SendOptions{Protocol: 2, Compressed: true}},
		{"nodata", "two", unboot.SendOptions{NoData: true, Parent: "one"}},
	} {
		var got bytes.Buffer
		if err := f.SendSubvolume(&got, c.name, c.o); err != nil {
			t.Errorf("%s: %v", c.file, err)
		}
		host, err := os.ReadFile(filepath.Join(want, c.file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), host) {
			t.Errorf("%s: %d bytes differ from the host's %d", c.file, got.Len(), len(host))
		}
	}
	if err := f.SendSubvolume(new(bytes.Buffer), "vol", unboot.SendOptions{}); !errors.Is(err, unboot.ErrNotReadOnly) {
		t.Errorf("a writable subvolume: %v", err)
	}
	// A writer that fails ends the stream, and the next one is whole.
	for range 3 {
		if err := f.SendSubvolume(failAfter(300_000), "one", unboot.SendOptions{}); !errors.Is(err, errFull) {
			t.Errorf("a writer that is full: %v", err)
		}
	}
	var again bytes.Buffer
	if err := f.SendSubvolume(&again, "one", unboot.SendOptions{}); err != nil || again.Len() < 3_000_000 {
		t.Errorf("afterwards: %d bytes, %v", again.Len(), err)
	}
}

var errFull = errors.New("full")

// failAfter returns a writer that takes so many bytes.
func failAfter(n int) writerFunc {
	return func(p []byte) (int, error) {
		if n -= len(p); n < 0 {
			return 0, errFull
		}
		return len(p), nil
	}
}
