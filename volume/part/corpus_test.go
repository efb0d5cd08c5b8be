package part

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestCorpus compares with what util-linux's tests expect of blkid, over all partition
// tables that its source brings.
func TestCorpus(t *testing.T) {
	testimg.Need(t, "tar", "xz")
	dir := t.TempDir()
	testimg.MustRun(t, "tar", "-xf", testimg.Source(t, "util-linux"), "-C", dir, "--strip-components=1",
		"--wildcards", "*/tests/ts/blkid/images-pt", "*/tests/expected/blkid")
	images, err := filepath.Glob(filepath.Join(dir, "tests/ts/blkid/images-pt/*.img.xz"))
	if err != nil || len(images) < 7 {
		t.Fatalf("%d images, %v", len(images), err)
	}
	kind := regexp.MustCompile(`PT: (\w+),`)
	line := regexp.MustCompile(`(?m)^#(\d+): +(\d+) +(\d+) +(0x\w+)(.*)$`)
	for _, packed := range images {
		name := strings.TrimSuffix(filepath.Base(packed), ".img.xz")
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "image")
			testimg.MustRun(t, "sh", "-c", "xz -dc "+packed+" >"+image)
			f, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			expected, err := os.ReadFile(filepath.Join(dir, "tests/expected/blkid/lowprobe-pt-"+name))
			if err != nil {
				t.Fatal(err)
			}
			want := kind.FindSubmatch(expected)[1]
			table, err := Read(f, st.Size(), 512)
			if errors.Is(err, ErrNoTable) {
				if got := Foreign(f, st.Size()); got != string(want) {
					t.Errorf("%q, want %q", got, want)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if table.Type != string(want) {
				t.Errorf("%q, want %q", table.Type, want)
			}
			var got, lines []string
			for _, p := range table.Partitions {
				got = append(got, fmt.Sprintf("%d %d %d", p.Number, p.Start/512, p.Size/512))
			}
			for _, m := range line.FindAllStringSubmatch(string(expected), -1) {
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
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return Foreign(f, st.Size())
}
