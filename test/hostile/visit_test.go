package hostile

import (
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A visit looks at everything in a file system, as a scanner does. Errors are
// what is to be expected; only how much is looked at is bounded.
type visit struct {
	v     *lkl.View
	nodes int // left
	bytes int64
	buf   []byte
}

func look(v *lkl.View, dir string) {
	w := &visit{v: v, nodes: 1500, bytes: 24 << 20, buf: make([]byte, 64<<10)}
	w.dir(dir, 0)
}

func (w *visit) dir(path string, depth int) {
	fd, err := w.v.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer w.v.CloseFd(fd)
	var dirs []string
	for d, err := range w.v.ReadDir(fd, unix.STATX_BASIC_STATS|unix.STATX_BTIME, lkl.READDIR_LINK|lkl.READDIR_XATTR) {
		if err != nil {
			break
		}
		if w.nodes--; w.nodes < 0 {
			return
		}
		sub := path + "/" + d.Name
		switch {
		case d.Type == unix.DT_DIR || d.Stat.Mode&unix.S_IFMT == unix.S_IFDIR:
			dirs = append(dirs, sub)
		case d.Type == unix.DT_REG || d.Stat.Mode&unix.S_IFMT == unix.S_IFREG:
			w.file(sub)
		}
		if d.XattrSize != 0 || w.nodes%8 == 0 {
			w.xattrs(sub)
		}
	}
	for _, d := range dirs {
		if depth < 40 && len(d) < 3500 {
			w.dir(d, depth+1)
		}
	}
}

func (w *visit) file(path string) {
	fd, err := w.v.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer w.v.CloseFd(fd)
	end, _ := w.v.Seek(fd, 0, unix.SEEK_END)
	w.v.Fiemap(fd, 0, 1<<20, 0)
	for off := int64(0); off < min(end, 1<<20); off += int64(len(w.buf)) {
		n, err := w.v.Pread(fd, w.buf, off)
		if w.bytes -= int64(max(n, 0)); err != nil || w.bytes < 0 {
			break
		}
	}
	if end > 1<<20 {
		w.v.Pread(fd, w.buf[:4096], end-4096)
		w.v.Seek(fd, 1<<20, unix.SEEK_DATA)
	}
}

func (w *visit) xattrs(path string) {
	n, err := w.v.Llistxattr(path, w.buf[:4096])
	if err != nil || n <= 0 {
		return
	}
	start := 0
	for i := range n {
		if w.buf[i] == 0 {
			name := string(w.buf[start:i])
			w.v.Lgetxattr(path, name, w.buf[8192:16384])
			start = i + 1
		}
	}
}

// change writes a little: with an overlay that goes nowhere.
func change(v *lkl.View, dir string) {
	var made []string
	for _, name := range []string{"a", "b", "c"} {
		path := dir + "/hostile-" + name
		fd, err := v.Open(path, unix.O_CREAT|unix.O_RDWR, 0o644)
		if err != nil {
			break
		}
		made = append(made, path)
		v.Pwrite(fd, make([]byte, 20000), 0)
		v.Fsync(fd)
		v.CloseFd(fd)
	}
	v.Mkdirat(unix.AT_FDCWD, dir+"/hostile-dir", 0o755)
	if len(made) > 0 {
		v.Renameat(unix.AT_FDCWD, made[0], unix.AT_FDCWD, dir+"/hostile-dir/x")
	}
	for _, path := range made {
		v.Unlinkat(unix.AT_FDCWD, path, 0)
	}
	v.Unlinkat(unix.AT_FDCWD, dir+"/contents/large", 0)
	v.Unlinkat(unix.AT_FDCWD, dir+"/contents/hello", 0)
}
