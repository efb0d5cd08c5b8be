package unboot_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// randomHistory returns a script that changes a subvolume at random, and makes a read-only
// snapshot of it after each round.
func randomHistory(r *rand.Rand, rounds, changes int) string {
	var b strings.Builder
	b.WriteString("btrfs subvolume create v >/dev/null\nmkdir v/d0 v/d1 v/d0/d2\n")
	dirs := []string{"v", "v/d0", "v/d1", "v/d0/d2"}
	name := func() string { return fmt.Sprintf("%s/f%d", dirs[r.IntN(len(dirs))], r.IntN(12)) }
	for round := range rounds {
		for range changes {
			a, c := name(), name()
			// What cannot be done, as the file is not there, is left out.
			switch r.IntN(14) {
			case 0, 1, 2:
				fmt.Fprintf(&b, "head -c %d /dev/urandom >%s\n", r.IntN(300_000), a)
			case 3:
				fmt.Fprintf(&b, "dd if=/dev/urandom of=%s bs=4096 count=%d seek=%d conv=notrunc status=none\n", a, r.IntN(20), r.IntN(100))
			case 4, 5:
				fmt.Fprintf(&b, "mv -f %s %s\n", a, c)
			case 6:
				fmt.Fprintf(&b, "ln -f %s %s\n", a, c)
			case 7:
				fmt.Fprintf(&b, "rm -f %s\n", a)
			case 8:
				fmt.Fprintf(&b, "rm -f %s; ln -sfn ../f%d %s\n", a, r.IntN(12), a)
			case 9:
				fmt.Fprintf(&b, "[ -L %s ] || cp --reflink=always %s %s\n", c, a, c)
			case 10:
				fmt.Fprintf(&b, "chmod %o %s; chown -h %d:%d %s\n", r.IntN(0o7777), a, r.IntN(9), r.IntN(9), a)
			case 11:
				fmt.Fprintf(&b, "setfattr -h -n trusted.t%d -v %d %s\n", r.IntN(3), r.IntN(9), a)
			case 12:
				fmt.Fprintf(&b, "truncate -s %d %s\n", r.IntN(400_000), a)
			case 13:
				// A directory changes places with what it is in.
				fmt.Fprintf(&b, "if [ -d v/d0/d2 ]; then mv v/d0/d2 v/x; mv v/d0 v/x/d2; mv v/x v/d0; fi\n")
			}
		}
		fmt.Fprintf(&b, "btrfs subvolume snapshot -r v s%d >/dev/null\n", round)
	}
	return "exec 2>/dev/null\nset +e\n" + b.String() + "sync\n"
}

// TestReceiveRandom receives the snapshots of random histories, one as the difference to the
// other.
func TestReceiveRandom(t *testing.T) {
	const rounds = 4
	for seed := range uint64(3) {
		source := hostBtrfs(t, randomHistory(rand.New(rand.NewPCG(seed, 0)), rounds, 60))
		files := fmt.Sprintf(`for i in $(seq 0 %d); do (cd s$i; find . -printf '%%P %%y %%m %%U %%G %%s %%n %%l %%T@\n' | sort
find . -type f | sort | xargs sha256sum; find . | sort | xargs getfattr -hd -m - 2>/dev/null); done`, rounds-1)
		_, from := openWritable(t, source, "")
		image := hostBtrfs(t, "true")
		img, to := openWritable(t, image, "")
		for i := range rounds {
			o := unboot.SendOptions{Protocol: int(1 + seed%2), Compressed: seed%2 == 1}
			if i > 0 {
				o.Parent = fmt.Sprintf("s%d", i-1)
			}
			stream := filepath.Join(t.TempDir(), "stream")
			f, err := os.Create(stream)
			if err != nil {
				t.Fatal(err)
			}
			if err := from.SendSubvolume(f, fmt.Sprintf("s%d", i), o); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Seek(0, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := to.ReceiveSubvolumes(f, ".", unboot.ReceiveOptions{}); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			f.Close()
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		from.Image().Close()
		if got, want := onHost(t, image, "ro", files), onHost(t, source, "ro", files); got != want || strings.Count(want, "\n") < 100 {
			t.Errorf("seed %d: the files differ:\n%s\nwant\n%s", seed, got, want)
		}
		testimg.Fsck(t, "btrfs", image)
	}
}
