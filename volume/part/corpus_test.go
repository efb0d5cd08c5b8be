package part

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestCorpus compares with what util-linux's tests expect of blkid, over all partition
// tables that its source brings.
func TestCorpus(t *testing.T) {
	kind := regexp.MustCompile(`PT: (\w+),`)
	line := regexp.MustCompile(`(?m)^#(\d+): +(\d+) +(\d+) +(0x\w+)(.*)$`)
	for _, b := range testimg.BlkidImages(t, "images-pt", "lowprobe-pt-", 7) {
		t.Run(b.Name, func(t *testing.T) {
			f, size := sized(t, b.Unpack(t))
			expected := b.Expected(t)
			want := kind.FindStringSubmatch(expected)[1]
			table, err := Read(f, size, 512)
			if errors.Is(err, ErrNoTable) {
				if got := Foreign(f, size); got != want {
					t.Errorf("%q, want %q", got, want)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if table.Type != want {
				t.Errorf("%q, want %q", table.Type, want)
			}
			var got, lines []string
			for _, p := range table.Partitions {
				got = append(got, fmt.Sprintf("%d %d %d", p.Number, p.Start/512, p.Size/512))
			}
			for _, m := range line.FindAllStringSubmatch(expected, -1) {
				// What is inside of a partition, only the kernel tells.
				if !strings.Contains(m[5], "(freebsd)") {
					lines = append(lines, m[1]+" "+m[2]+" "+m[3])
				}
			}
			if strings.Join(got, "\n") != strings.Join(lines, "\n") {
				t.Errorf("got  %q\nwant %q", got, lines)
			}
		})
	}
}

// The tables that blkid's images do not show, as parted writes them; and what is no table.
func TestForeign(t *testing.T) {
	testimg.Need(t, "parted")
	for kind, want := range map[string]string{"mac": "mac", "amiga": "amiga", "sun": "sun", "bsd": "bsd", "dvh": "sgi"} {
		image := blank(t, 16<<20)
		testimg.MustRun(t, "parted", "-s", image, "mklabel", kind)
		if got := foreign(t, image); got != want {
			t.Errorf("%s: %q", kind, got)
		}
	}
	for _, kind := range []string{"msdos", "gpt"} {
		image := blank(t, 16<<20)
		testimg.MustRun(t, "parted", "-s", image, "mklabel", kind)
		if got := foreign(t, image); got != "" {
			t.Errorf("%s: %q", kind, got)
		}
	}
	for _, fstype := range []string{"ext4", "xfs", "btrfs", "fat16", "ntfs", "swap"} {
		if got := foreign(t, testimg.FS(t, fstype, testimg.Options{})); got != "" {
			t.Errorf("%s: %q", fstype, got)
		}
	}
	noise := blank(t, 1<<20)
	for i := range 64 {
		if err := os.WriteFile(noise, testimg.Pattern(1<<20, uint64(i)), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := foreign(t, noise); got != "" {
			t.Errorf("noise: %q", got)
		}
	}
}

func foreign(t *testing.T, image string) string {
	t.Helper()
	f, size := sized(t, image)
	return Foreign(f, size)
}

// sized opens a file until the test ends, and returns its size too.
func sized(t *testing.T, path string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, st.Size()
}
