package unboot_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/btrfsstream"
	"github.com/unboot/unboot/internal/testimg"
)

// treeScript prints all that receiving keeps of the files below two directories.
const treeScript = `for d in one two; do (cd $d && find . -printf '%P %y %m %U %G %s %n %l %T@\n' | sort &&
find . -type f | sort | xargs sha256sum && getfattr -Rhd -m - . && stat -c %t,%T null); done`

// TestReceive receives streams of the host's btrfs, and compares the files with what the
// host has in the original.
func TestReceive(t *testing.T) {
	source := hostBtrfs(t, historyScript)
	streams := t.TempDir()
	want := onHost(t, source, "ro", treeScript+`
send() { btrfs send -q $* one; btrfs send -q $* -p one two; } # splice(2) does not append
send >`+streams+`/v1
send --proto 2 >`+streams+`/v2
send --proto 2 --compressed-data >`+streams+"/compressed")
	for _, file := range []string{"v1", "v2", "compressed"} {
		image := hostBtrfs(t, "mkdir in")
		stream, err := os.Open(filepath.Join(streams, file))
		if err != nil {
			t.Fatal(err)
		}
		img, f := openWritable(t, image, "")
		names, err := f.ReceiveSubvolumes(stream, "in", unboot.ReceiveOptions{})
		if err != nil || strings.Join(names, " ") != "one two" {
			t.Errorf("%s: received %q, %v", file, names, err)
		}
		list, err := f.Subvolumes(".")
		if err != nil || len(list) != 2 || !list[0].ReadOnly || !list[1].ReadOnly || list[0].ReceivedUUID == "" || list[1].ParentUUID != list[0].UUID {
			t.Errorf("%s: %+v, %v", file, list, err)
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		stream.Close()
		if got := onHost(t, image, "ro", "cd in; "+treeScript); got != want {
			t.Errorf("%s: the files differ:\n%s\nwant\n%s", file, got, want)
		}
		testimg.Fsck(t, "btrfs", image)
		// What was received says so to the real tool.
		show := onHost(t, image, "ro", "btrfs subvolume show in/two")
		if !strings.Contains(show, "Flags: \t\t\treadonly") || strings.Contains(show, "Received UUID: \t\t-") {
			t.Errorf("%s: %s", file, show)
		}
		dump := hostRun(t, "", "btrfs", "inspect-internal", "dump-tree", image)
		if file == "compressed" && !strings.Contains(dump, "compression 3 (zstd)") {
			t.Error("the data is not compressed any more")
		}
	}
}

func openWritable(t *testing.T, image, options string) (*unboot.Image, *unboot.FS) {
	t.Helper()
	img, err := unboot.Open(t.Context(), image, unboot.Writable())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	f, err := img.Mount("/dev/sda", unboot.Data(strings.TrimSuffix("subvolid=5,"+options, ",")))
	if err != nil {
		t.Fatal(err)
	}
	return img, f
}

// TestReceiveDecompressed receives compressed extents where the kernel takes none: in files
// without checksums.
func TestReceiveDecompressed(t *testing.T) {
	for _, method := range []string{"zlib", "lzo", "zstd"} {
		source := hostBtrfs(t, "true")
		onHost(t, source, "compress="+method, "btrfs subvolume create vol >/dev/null; cd vol; head -c 2000000 /usr/bin/btrfs >text"+
			"; yes | head -c 1000000 >yes; seq 200000 >seq; head -c 70000 /usr/bin/btrfs >program; sync; btrfs property set . ro true")
		const sums = "cd vol; sha256sum *"
		want := onHost(t, source, "ro", sums)
		if dump := hostRun(t, "", "btrfs", "inspect-internal", "dump-tree", source); !strings.Contains(dump, "("+method+")") {
			t.Errorf("nothing is compressed by %s", method)
		}
		_, from := openWritable(t, source, "")
		var stream bytes.Buffer
		if err := from.SendSubvolume(&stream, "vol", unboot.SendOptions{Protocol: 2, Compressed: true}); err != nil {
			t.Fatal(err)
		}
		image := hostBtrfs(t, "true")
		img, to := openWritable(t, image, "nodatasum")
		if _, err := to.ReceiveSubvolumes(&stream, ".", unboot.ReceiveOptions{}); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		if got := onHost(t, image, "ro", sums); got != want {
			t.Errorf("%s: %s, want %s", method, got, want)
		}
		if dump := hostRun(t, "", "btrfs", "inspect-internal", "dump-tree", image); strings.Contains(dump, "compression 1") || strings.Contains(dump, "("+method+")") {
			t.Errorf("%s: the kernel took the extents", method)
		}
	}
}

// TestReceiveDamaged receives what is no stream, or not all of one.
func TestReceiveDamaged(t *testing.T) {
	source := hostBtrfs(t, historyScript)
	img, f := openWritable(t, source, "")
	defer img.Close()
	var full, diff bytes.Buffer
	if err := f.SendSubvolume(&full, "one", unboot.SendOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := f.SendSubvolume(&diff, "two", unboot.SendOptions{Parent: "one"}); err != nil {
		t.Fatal(err)
	}
	image := hostBtrfs(t, "mkdir in")
	_, to := openWritable(t, image, "")
	receive := func(b []byte, want error) {
		t.Helper()
		_, err := to.ReceiveSubvolumes(bytes.NewReader(b), "in", unboot.ReceiveOptions{})
		if !errors.Is(err, want) || err == nil {
			t.Errorf("%v, want %v", err, want)
		}
		if _, err := to.Stat("in/one"); err == nil {
			if err := to.DeleteSubvolume("in/one"); err != nil {
				t.Error(err)
			}
		}
	}
	receive(nil, btrfsstream.ErrFormat)
	receive([]byte("not a stream at all"), btrfsstream.ErrFormat)
	receive(full.Bytes()[:full.Len()-1], io.ErrUnexpectedEOF)
	receive(full.Bytes()[:17], io.ErrUnexpectedEOF)
	flipped := bytes.Clone(full.Bytes())
	flipped[len(flipped)/2] ^= 1
	receive(flipped, btrfsstream.ErrChecksum)
	if _, err := to.ReceiveSubvolumes(&diff, "in", unboot.ReceiveOptions{}); err == nil || !strings.Contains(err.Error(), "the parent of") {
		t.Errorf("without its parent: %v", err)
	}
	// Sent into the same file system, below another name.
	if err := f.Mkdir("copy", 0o755); err != nil {
		t.Fatal(err)
	}
	names, err := f.ReceiveSubvolumes(&full, "copy", unboot.ReceiveOptions{})
	if err != nil || len(names) != 1 {
		t.Errorf("%q, %v", names, err)
	}
}
