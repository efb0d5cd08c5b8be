package toolroot

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

func TestX(t *testing.T) {
	k, err := lkl.Boot(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Kill()
	for i := range 5 {
		place := fmt.Sprint("/r", i)
		k.Mkdirat(unix.AT_FDCWD, place, 0o755)
		if err := k.Mount("none", place, "ramfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		fd, err := k.Open(place, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		h := New(k)
		h.look()
		start := time.Now()
		f := files()
		read := time.Since(start)
		start = time.Now()
		if err := makeFiles(k, fd, h.dirs, h.links, f); err != nil {
			t.Fatal(err)
		}
		made := time.Since(start)
		start = time.Now()
		alt, _ := os.ReadDir("/etc/alternatives")
		var l []file
		for _, a := range alt {
			to, _ := os.Readlink("/etc/alternatives/" + a.Name())
			if to == "" {
				continue
			}
			l = append(l, file{name: "etc/alternatives/" + a.Name(), to: to})
		}
		alts := time.Since(start)
		start = time.Now()
		k.Mkdirat(fd, "etc/alternatives", 0o755)
		b := &builder{k: k, at: fd, c: k.NewChain()}
		for _, f := range l {
			b.symlink(f.to, f.name)
		}
		if err := b.run(); err != nil {
			t.Fatal(err)
		}
		fmt.Println(len(f), "files read", read, "made", made, "alternatives", len(l), alts, time.Since(start))
		// the closure
		for _, p := range []string{"/usr/sbin/mke2fs", "/usr/sbin/lvm"} {
			start = time.Now()
			list, err := closure(p)
			if err != nil {
				t.Fatal(err)
			}
			found := time.Since(start)
			start = time.Now()
			var n int
			for i, f := range list {
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				out, err := k.Openat(fd, fmt.Sprint(i, place[1:], p[10:]), unix.O_CREAT|unix.O_WRONLY, 0o755)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := k.Write(out, text); err != nil {
					t.Fatal(err)
				}
				n += len(text)
				k.CloseFd(out)
			}
			fmt.Println(p, "found", found, "copied", n>>10, "KiB", time.Since(start))
		}
	}
}
