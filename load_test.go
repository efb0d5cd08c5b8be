package unboot_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// A directory of 100,000 entries is listed in a bounded amount of memory, in
// all the ways there are, and removed.
func TestHugeDirectory(t *testing.T) {
	const count = 100_000
	f := mount(t, blank(t, "ext4"), unboot.Writable())
	if err := f.Mkdir("d", 0o755); err != nil {
		t.Fatal(err)
	}
	// Links are the cheapest files. Ext4 allows 65,000 to one.
	k := f.Image().Kernel()
	for i := 0; i < count; i += 100 {
		first := fmt.Sprintf("d/%d", i)
		if err := f.WriteFile(first, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c := k.NewChain()
		for j := i + 1; j < i+100; j++ {
			c.Linkat(unix.AT_FDCWD, "/mnt/1/"+first, unix.AT_FDCWD, fmt.Sprintf("/mnt/1/d/%d", j), 0)
		}
		if err := c.Run(); err != nil {
			t.Fatal(err)
		}
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, most := heap(), uint64(0)
	n := 0
	for e, err := range f.Walk("d", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%20_000 == 0 {
			most = max(most, heap()-before)
		}
		_ = e
	}
	if n != count+1 {
		t.Errorf("walked %d", n)
	}
	if most > 4<<20 {
		t.Errorf("the walk takes %d bytes", most)
	}
	n = 0
	for _, err := range f.Entries("d", nil) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != count {
		t.Errorf("%d entries", n)
	}
	d := must(f.Open("d")).(*unboot.File)
	defer d.Close()
	n = 0
	for {
		list, err := d.ReadDir(1000)
		n += len(list)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n != count {
		t.Errorf("%d from File.ReadDir", n)
	}
	if _, err := d.Seek(0, io.SeekStart); err != nil {
		t.Error(err)
	}
	if list, err := d.ReadDir(-1); len(list) != count || err != nil {
		t.Errorf("%d after Seek, %v", len(list), err)
	}
	if err := f.RemoveAll("d"); err != nil {
		t.Error(err)
	}
	if _, err := f.Lstat("d"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Many goroutines do different things to one tree.
func TestConcurrent(t *testing.T) {
	f := mount(t, blank(t, "ext4"), unboot.Writable())
	data := testimg.Pattern(3<<20, 7)
	if err := f.WriteFile("shared", data, 0o644); err != nil {
		t.Fatal(err)
	}
	shared := must(f.Open("shared")).(*unboot.File)
	defer shared.Close()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			dir := fmt.Sprint("dir", i)
			if err := f.Mkdir(dir, 0o755); err != nil {
				t.Error(err)
			}
			for j := range 20 {
				name := fmt.Sprintf("%s/%d", dir, j)
				if err := f.Put(name, &unboot.Metadata{Mode: 0o600, UID: i, GID: j}, bytes.NewReader(data[:j*20_000])); err != nil {
					t.Error(err)
				}
				if got, err := f.ReadFile(name); err != nil || !bytes.Equal(got, data[:j*20_000]) {
					t.Errorf("%s: %d bytes, %v", name, len(got), err)
				}
				p := make([]byte, 10_000+j*50_000)
				if n, err := shared.ReadAt(p, int64(i*1000)); err != nil || !bytes.Equal(p[:n], data[i*1000:][:n]) {
					t.Errorf("ReadAt: %d, %v", n, err)
				}
			}
			own := must(f.Open("shared"))
			defer own.Close()
			var b bytes.Buffer
			if n, err := io.Copy(&b, own); err != nil || n != int64(len(data)) || !bytes.Equal(b.Bytes(), data) {
				t.Errorf("WriteTo: %d, %v", n, err)
			}
			w := must(f.Create(dir + "/copy"))
			defer w.Close()
			if n, err := io.Copy(w, &b); err != nil || n != int64(len(data)) {
				t.Errorf("ReadFrom: %d, %v", n, err)
			}
			n := 0
			for _, err := range f.Walk(dir, nil) {
				if err != nil {
					t.Error(err)
				}
				n++
			}
			if n != 22 {
				t.Errorf("%s: %d", dir, n)
			}
			if err := f.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
