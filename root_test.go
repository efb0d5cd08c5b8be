package unboot_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
)

// A Sub sees how its parent is remounted, whatever others ask meanwhile.
func TestSubSeesRemount(t *testing.T) {
	f := mount(t, blank(t, "ext4"), unboot.Writable())
	if err := f.Mkdir("dir", 0o755); err != nil {
		t.Fatal(err)
	}
	sub, err := f.OpenRoot("dir")
	if err != nil {
		t.Fatal(err)
	}
	if f.ReadOnly() || sub.ReadOnly() {
		t.Error("read-only from the start")
	}
	asking := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-asking:
				return
			default:
				_ = f.ReadOnly() || sub.ReadOnly()
			}
		}
	})
	for _, readOnly := range []bool{true, false, true} {
		if err := f.Remount(".", readOnly); err != nil {
			t.Fatal(err)
		}
		if f.ReadOnly() != readOnly || sub.ReadOnly() != readOnly {
			t.Errorf("remounted with %v, the tree says %v and its Sub %v", readOnly, f.ReadOnly(), sub.ReadOnly())
		}
		want := error(nil)
		if readOnly {
			want = unix.EROFS
		}
		if err := sub.WriteFile("file", nil, 0o644); !errors.Is(err, want) {
			t.Errorf("writing: %v, want %v", err, want)
		}
	}
	close(asking)
	wg.Wait()
}

// Subs come and go in any number, and do not take descriptors from others.
func TestManySubs(t *testing.T) {
	f := mount(t, blank(t, "ext4"), unboot.Writable())
	if err := f.MkdirAll("same/dir", 0o755); err != nil {
		t.Fatal(err)
	}
	var kept []fs.FS
	for i := range 5000 {
		sub, err := fs.Sub(f, "same/dir")
		if err != nil {
			t.Fatalf("%d of one directory: %v", i, err)
		}
		kept = append(kept, sub)
	}
	for i := range 3000 {
		dir, file := fmt.Sprint("d", i), fmt.Sprint("d", i, "/file")
		if err := errors.Join(f.Mkdir(dir, 0o755), f.WriteFile(file, []byte(dir), 0o644)); err != nil {
			t.Fatal(err)
		}
		sub, err := f.OpenRoot(dir)
		if err != nil {
			t.Fatalf("%d of many directories: %v", i, err)
		}
		if data, err := sub.ReadFile("file"); string(data) != dir || err != nil {
			t.Fatal(string(data), err)
		}
		if i%200 == 0 {
			runtime.GC()
		}
	}
	if err := kept[0].(*unboot.FS).WriteFile("file", []byte("x"), 0o644); err != nil {
		t.Error(err)
	}
	if data, err := fs.ReadFile(kept[4999], "file"); string(data) != "x" || err != nil {
		t.Error(string(data), err)
	}
	if err := f.Unmount(); err != nil {
		t.Error(err)
	}
	if _, err := fs.ReadFile(kept[0], "file"); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

// Files opened in a tree below a directory work as long as they are used, and
// keeps being that directory.
func TestOpenRoot(t *testing.T) {
	asHost(t, func(t *testing.T, tr tree) (said string) {
		say := func(what string, v any, err error) { said += fmt.Sprintf("\n%s: %v %s", what, v, kind(err)) }
		if err := errors.Join(tr.MkdirAll("a/b", 0o755), tr.WriteFile("a/b/f", []byte("x"), 0o644), tr.WriteFile("f", []byte("outside"), 0o644)); err != nil {
			t.Fatal(err)
		}
		a := must(tr.sub("a"))
		b := must(a.sub("b"))
		f := must(b.open("f", os.O_RDWR))
		say("names", strings.TrimPrefix(a.Name(), tr.Name()+"/")+strings.TrimPrefix(b.Name(), tr.Name()+"/"), nil)
		say("rename", nil, tr.Rename("a", "c"))
		again := must(tr.sub("c"))
		data, err := again.ReadFile("b/f")
		say("again", string(data), err)
		say("close", nil, a.Close())
		say("close again", nil, a.Close())
		_, err = a.Stat("b")
		say("closed", nil, err)
		_, err = a.sub("b")
		say("closed", nil, err)
		_, err = fs.Stat(a.FS(), "b")
		say("closed", nil, err)
		say("closed", nil, a.Rename("b", "x"))
		runtime.GC()
		data, err = b.ReadFile("f")
		say("below it", string(data), err)
		say("close that", nil, b.Close())
		b = nil
		runtime.GC()
		n, err := f.Write([]byte("yz"))
		say("file", n, err)
		say("file", nil, f.Close())
		data, err = fs.ReadFile(again.FS(), "b/f")
		say("again", string(data), err)
		dot := must(again.sub("."))
		say("close", nil, dot.Close())
		_, err = again.Stat("b")
		say("its other", nil, err)
		for _, name := range []string{"nothing", "c/nothing/b"} {
			_, err = tr.sub(name)
			say(name, nil, err)
		}
		return said
	})
}

// The methods of os.Root, called at random, do to an image what they do to the host.
func TestAsRoot(t *testing.T) {
	asHost(t, func(t *testing.T, tr tree) string {
		names := []string{"a", "b", "d", "d/x", "d/y", "l", "l/x", "dang", "d/e", "d/e/f", "a/x", "n/x", "up"}
		r := rand.New(rand.NewSource(7))
		var said strings.Builder
		for i := range 6000 {
			p, q := names[r.Intn(len(names))], names[r.Intn(len(names))]
			var what string
			var err error
			switch r.Intn(14) {
			case 0:
				what, err = "mkdir", tr.Mkdir(p, 0o755)
			case 1: // MkdirAll is os.MkdirAll's, which makes nothing of a link to nothing
				what, err = "mkdir", tr.Mkdir(q, 0o755)
			case 2:
				what, err = "remove", tr.Remove(p)
			case 3:
				what, err = "removeall", tr.RemoveAll(p)
			case 4, 5, 6:
				what, err = "rename", tr.Rename(p, q)
			case 7:
				what, err = "link", tr.Link(p, q)
			case 8:
				what, err = "symlink", tr.Symlink(q, p)
			case 9:
				what, err = "chmod", tr.Chmod(p, 0o700)
			case 10:
				what, err = "chtimes", errors.Join(tr.Chtimes(p, time.Unix(5, 0), time.Unix(6, 0)), tr.Lchown(p, 0, 0))
			case 11:
				var data []byte
				data, err = tr.ReadFile(p)
				what = "read " + string(data)
			default:
				what, err = "write", tr.WriteFile(p, []byte(q), 0o644)
			}
			why := kind(err)
			if err != nil && (what == "rename" || what == "link") && !errors.Is(err, fs.ErrExist) {
				why = "fails" // there may be a reason at either path
			}
			fmt.Fprintf(&said, "\n%d %s %s %s: %s", i, what, p, q, why)
			if i%60 == 0 {
				said.WriteString(wholeTree(tr))
			}
		}
		return said.String()
	})
}

// wholeTree describes all files.
func wholeTree(tr tree) string {
	var list []string
	fs.WalkDir(tr.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		s := "\n\t" + p + " " + kind(err)
		if st, err := tr.Lstat(p); err == nil && p != "." {
			target, lerr := tr.Readlink(p)
			data, rerr := tr.ReadFile(p)
			s += fmt.Sprint(" ", st.Mode(), target, kind(lerr), crc32.ChecksumIEEE(data), kind(rerr))
		}
		list = append(list, s)
		return nil
	})
	slices.Sort(list)
	return strings.Join(list, "")
}
