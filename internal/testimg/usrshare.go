package testimg

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// UsrShareNodes is how many names there are on the image of [UsrShare], at least.
const UsrShareNodes = 57000

// UsrShare returns the host path of a shared ext4 image of the host's /usr/share,
// as mkfs.ext4 -d makes it, and as many made-up packages' files as bring it to
// [UsrShareNodes] names. It is what speed is measured on: 2 GiB, about 700 MB of
// them data.
func UsrShare(t testing.TB) string {
	t.Helper()
	image, err := BuildUsrShare()
	check(t, err)
	return shared(t, image)
}

// BuildUsrShare is [UsrShare] outside of tests. The image stays the same when
// the host's /usr/share changes later: benchmarks should not.
func BuildUsrShare() (string, error) {
	return cached("usrshare", fmt.Sprint("usrshare ", UsrShareNodes), nil, func(out string) error {
		work, remove, err := scratch()
		if err != nil {
			return err
		}
		defer remove()
		root := filepath.Join(work, "share")
		// A file that an ordinary user cannot read can be missing here.
		if _, err := Run("cp", "-a", "/usr/share", root); err != nil && os.Geteuid() == 0 {
			return err
		}
		have, err := countNodes(root)
		if err != nil {
			return err
		}
		if err := padTree(root, UsrShareNodes-have); err != nil {
			return err
		}
		if err := blank(out, 2<<30); err != nil {
			return err
		}
		_, err = Run("mke2fs", "-q", "-F", "-t", "ext4", "-U", uuid, "-E", "hash_seed="+uuid, "-d", root, out)
		return err
	})
}

// countNodes returns how many names there are below a directory.
func countNodes(root string) (n int, err error) {
	err = filepath.WalkDir(root, func(string, fs.DirEntry, error) error {
		n++
		return nil
	})
	return n - 1, err
}

// padTree adds n names below a directory, in the proportions of /usr/share: most
// files a few KiB, one in fifty over 100 KiB, 16 to a directory.
func padTree(root string, n int) error {
	rnd := rand.New(rand.NewPCG(57, 0))
	line := []byte("Permission is granted to copy, distribute and/or modify this document\n")
	text := bytes.Repeat(line, 400<<10/len(line))
	dir := filepath.Join(root, "padding")
	for i := range n {
		if i%17 == 0 {
			if i > 0 {
				dir = filepath.Join(root, "padding", fmt.Sprintf("package-%04d", i/17))
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			continue
		}
		size := 200 + int(rnd.ExpFloat64()*4000)
		if rnd.IntN(50) == 0 {
			size += 100 << 10
		}
		name := filepath.Join(dir, fmt.Sprintf("document-%02d.txt", i%17))
		if err := os.WriteFile(name, text[:min(size, len(text))], 0o644); err != nil {
			return err
		}
	}
	return nil
}
