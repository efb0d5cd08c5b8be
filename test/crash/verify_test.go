package crash

import (
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A finding is the state of a file after a crash.
type finding struct {
	blocks  []stamp
	garbage map[int][]byte // blocks that are none, or parts of several
}

// verify compares what a file system holds, mounted anywhere, with what a
// writer knows. It returns all deviations, and how many files had to be there.
func (w *writer) verify(v *lkl.View, dir string) (stable int, wrong []string) {
	complain := func(format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf(format, args...))
	}
	found, err := survey(v, dir, complain)
	if err != nil {
		if must := w.musts(); len(must) > 0 {
			complain("%s: %v, but %d files in it were synced", dir, err, len(must))
		}
		return 0, wrong
	}
	for name, g := range found {
		for i, b := range g.garbage {
			if !w.explains(name, i, b) {
				complain("%s/%s, block %d: %v", dir, name, i, errGarbage)
			}
		}
	}
	for _, f := range w.musts() {
		stable++
		var names []string
		for name := range f.places {
			if g, ok := found[name]; ok && len(g.blocks) > 0 && g.blocks[0].File == f.id {
				names = append(names, name)
			}
		}
		switch len(names) {
		case 0:
			complain("%s: file %x, synced with %d blocks, is at none of %v", dir, f.id, f.stable, f.places)
		case 1:
			w.compare(f, found[names[0]], func(format string, args ...any) {
				complain("%s/%s: %s", dir, names[0], fmt.Sprintf(format, args...))
			})
		default:
			complain("%s: file %x has the names %q at once", dir, f.id, names)
		}
	}
	return stable, wrong
}

// explains reports whether a torn block was being written when the kernel ended.
func (w *writer) explains(name string, i int, b []byte) bool {
	for _, f := range w.all {
		if !f.places[name] || i >= len(f.blocks) {
			continue
		}
		g := f.blocks[i]
		if torn(b, f.id, uint64(i), g.stable, g.last) {
			return true
		}
	}
	return false
}

// musts returns the files that have to be there.
func (w *writer) musts() (list []*record) {
	for _, f := range w.all {
		if !f.places[""] && f.stable > 0 && f.blocks[0].stable > 0 {
			list = append(list, f)
		}
	}
	return list
}

func (w *writer) compare(f *record, g finding, complain func(string, ...any)) {
	if len(g.blocks) < f.stable {
		complain("%d blocks of %d that were synced", len(g.blocks), f.stable)
		return
	}
	for i, s := range g.blocks {
		switch {
		case g.garbage[i] != nil:
			continue // explained, or complained of
		case s == stamp{} && (i >= f.stable || f.blocks[i].stable == 0):
			continue // a hole, or not written back yet
		case s.File != f.id || s.Block != uint64(i):
			complain("block %d: found block %d of file %x", i, s.Block, s.File)
		case i < f.stable && s.Gen < f.blocks[i].stable:
			complain("block %d: generation %d, but %d was synced", i, s.Gen, f.blocks[i].stable)
		case i < len(f.blocks) && s.Gen > f.blocks[i].last:
			complain("block %d: generation %d, but %d was the last", i, s.Gen, f.blocks[i].last)
		}
	}
}

// survey reads all files of a writer's directory.
func survey(v *lkl.View, dir string, complain func(string, ...any)) (map[string]finding, error) {
	fd, err := v.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer v.CloseFd(fd)
	found := map[string]finding{}
	for d, err := range v.ReadDir(fd, unix.STATX_BASIC_STATS, lkl.READDIR_LINK|lkl.READDIR_XATTR) {
		if err != nil {
			return found, err
		}
		if d.Err != 0 {
			complain("%s/%s: %v", dir, d.Name, d.Err)
			continue
		}
		if d.Stat.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		data, err := v.ReadFile(dir+"/"+d.Name, 1<<30)
		if err != nil {
			complain("%s/%s: %v", dir, d.Name, err)
			continue
		}
		g := finding{garbage: map[int][]byte{}}
		for i := 0; i < len(data); i += blockSize {
			b := data[i:min(i+blockSize, len(data))]
			s, err := judge(b)
			if err != nil {
				g.garbage[i/blockSize] = b
			}
			g.blocks = append(g.blocks, s)
		}
		found[d.Name] = g
	}
	return found, nil
}

// walk visits everything below a directory, and returns what could not be read.
func walk(v *lkl.View, dir string) (nodes int, wrong []string) {
	fd, err := v.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return 0, []string{(&fs.PathError{Op: "open", Path: dir, Err: err}).Error()}
	}
	defer v.CloseFd(fd)
	var dirs []string
	for d, err := range v.ReadDir(fd, unix.STATX_BASIC_STATS, 0) {
		if err != nil {
			return nodes, append(wrong, (&fs.PathError{Op: "readdir", Path: dir, Err: err}).Error())
		}
		nodes++
		switch {
		case d.Err != 0:
			wrong = append(wrong, (&fs.PathError{Op: "stat", Path: dir + "/" + d.Name, Err: d.Err}).Error())
		case d.Stat.Mode&unix.S_IFMT == unix.S_IFDIR:
			dirs = append(dirs, dir+"/"+d.Name)
		}
	}
	for _, d := range dirs {
		n, w := walk(v, d)
		nodes += n
		wrong = append(wrong, w...)
	}
	return nodes, wrong
}
