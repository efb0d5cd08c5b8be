package fusefs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// TestReadAhead: several readers at a time, in the order of directories and in any other, get the
// content of each file and link, whatever was read before they have asked. They all meet the same
// files, so that what is given to the host unasked is asked for at the same time.
func TestReadAhead(t *testing.T) {
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	want := map[string]string{}
	img, err := unboot.Open(context.Background(), image, unboot.Writable())
	must(t, err)
	fsys, err := img.MountAuto()
	must(t, err)
	for d := range 24 {
		dir := fmt.Sprintf("tree/%d/%d", d%6, d)
		must(t, fsys.MkdirAll(dir, 0o755))
		for i := range 5 + d*6 {
			name := fmt.Sprintf("%s/%d", dir, i)
			if i%13 == 7 {
				want[name] = strings.Repeat("../x/", 1+i%50) + "target"
				must(t, fsys.Symlink(want[name], name))
				continue
			}
			data := testimg.Pattern((i*977)%9000, uint64(d*1000+i))
			want[name] = string(data)
			must(t, fsys.Put(name, &unboot.Metadata{Mode: 0o644}, bytes.NewReader(data)))
		}
	}
	must(t, fsys.Unmount())
	must(t, img.Close())
	for round := range 3 {
		dir := mount(t, image, nil)
		var wg sync.WaitGroup
		for reader := range 6 {
			wg.Go(func() {
				var names []string
				err := filepath.WalkDir(filepath.Join(dir, "tree"), func(path string, d fs.DirEntry, err error) error {
					if err == nil && !d.IsDir() {
						name, _ := filepath.Rel(dir, path)
						names = append(names, name)
						if reader%2 == 0 {
							checkContent(t, path, want[name])
						}
					}
					return err
				})
				if err != nil || len(names) != len(want) {
					t.Errorf("%d files of %d: %v", len(names), len(want), err)
				}
				if reader%2 == 1 {
					r := rand.New(rand.NewPCG(uint64(round), uint64(reader)))
					r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
					for _, name := range names {
						checkContent(t, filepath.Join(dir, name), want[name])
					}
				}
			})
		}
		wg.Wait()
	}
	// By their names alone, which the host has not listed.
	dir := mount(t, image, nil)
	for name, content := range want {
		checkContent(t, filepath.Join(dir, name), content)
		if _, err := os.Lstat(filepath.Join(dir, name+"x")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%sx: %v", name, err)
		}
	}
}

func checkContent(t *testing.T, path, want string) {
	t.Helper()
	var got string
	st, err := os.Lstat(path)
	if err == nil && st.Mode().Type() == fs.ModeSymlink {
		got, err = os.Readlink(path)
	} else if err == nil {
		var data []byte
		data, err = os.ReadFile(path)
		got = string(data)
	}
	if err != nil || got != want {
		t.Errorf("%s: %d bytes, want %d: %v", path, len(got), len(want), err)
	}
}
