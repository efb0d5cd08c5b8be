package testimg

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// generation is part of every image's name. Count it up when a recipe changes
// in a way that its key does not show.
const generation = 1

// epoch is the time at which all images were made, as far as the tools let us.
var epoch = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// Dir returns the directory of the cached images and makes it if need be.
func Dir() (string, error) {
	dir := os.Getenv("UNBOOT_TESTIMG")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil { // no HOME, as in some containers
			base = filepath.Join(os.TempDir(), "cache-"+strconv.Itoa(os.Getuid()))
		}
		dir = filepath.Join(base, "unboot", "testimg")
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// cached returns the path of the image whose recipe is key, and has make write
// it first if it is not there. The tools are the programs of the recipe: their
// versions are part of the key, and a missing one is a *Missing error, but only
// if the image must be made. Processes that want the same image wait for
// each other.
func cached(name, key string, tools []string, make func(out string) error) (string, error) {
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s\n", generation, key)
	var missing error
	for _, tool := range tools {
		path, err := Tool(tool)
		if err != nil {
			missing = err
			continue
		}
		// Size and time stand for the version: running each tool to
		// ask would cost more than all the rest.
		if st, err := os.Stat(path); err == nil {
			fmt.Fprintln(h, tool, st.Size(), st.ModTime().Unix())
		}
	}
	if missing != nil {
		return "", missing
	}
	path := filepath.Join(dir, name+"-"+hex.EncodeToString(h.Sum(nil)[:6]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}

	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close() // and with it the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil // another process made it meanwhile
	}
	tmp := path + ".tmp"
	os.Remove(tmp) // of a process that was killed
	if err := make(tmp); err != nil {
		os.Remove(tmp)
		return "", fmt.Errorf("make image %s: %w", name, err)
	}
	if err := os.Chmod(tmp, 0o444); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", err
	}
	// Whoever waits for the lock will find the image; so will whoever
	// makes a new lock.
	os.Remove(lock.Name())
	return path, nil
}

// Cached returns the path of a file of the cache, which make writes if it is not there. A
// key that is another makes it another file. The file must not change, as the
// package's documentation says.
func Cached(t testing.TB, name, key string, make func(out string) error) string {
	t.Helper()
	path, err := cached(name, key, nil, make)
	if err != nil {
		t.Fatal(err)
	}
	return shared(t, path)
}

// Build is [Cached] for programs that are not tests.
func Build(name, key string, make func(out string) error) (string, error) {
	return cached(name, key, nil, make)
}

// shared has the test fail, and the image dropped, if the image is not the same
// file with the same times when the test ends.
func shared(t testing.TB, image string) string {
	t.Helper()
	before, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		after, err := os.Stat(image)
		if err != nil {
			return // another test found it changed
		}
		if os.SameFile(before, after) && !after.ModTime().Equal(before.ModTime()) {
			os.Remove(image)
			t.Errorf("the shared image %s was written to: take a testimg.Writable copy", image)
		}
	})
	return image
}

// blank makes a file of size bytes that is all hole.
func blank(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// scratch makes a temporary directory beside the cached images, where there is
// room for a root file system, which a tmpfs on /tmp may not have.
func scratch() (dir string, remove func(), err error) {
	base, err := Dir()
	if err != nil {
		return "", nil, err
	}
	dir, err = os.MkdirTemp(base, "work-")
	return dir, func() { os.RemoveAll(dir) }, err
}
