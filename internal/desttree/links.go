package desttree

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
)

// maxLinks is how many symbolic links may be on the way, as in the kernel.
const maxLinks = 40

// A step is an element of a path. It is confined if it comes from a link that this
// run has made.
type step struct {
	name     string
	confined bool
}

// follow returns what a symbolic link in a directory leads to.
func (t *Tree) follow(dir, name string) (string, error) {
	leaves := &fs.PathError{Op: "open", Path: path.Join(dir, name), Err: errLeaves}
	done, rest := dir, []step{{name, false}}
	for links := 0; len(rest) > 0; {
		s := rest[0]
		rest = rest[1:]
		if s.name == ".." {
			if s.confined && !Below(done, t.base) {
				return "", leaves
			}
			if !s.confined || done != t.base {
				done = path.Dir(done)
			}
			continue
		}
		next := path.Join(done, s.name)
		info, err := t.fs.Lstat(next)
		if err != nil {
			return "", err
		}
		if info.Mode().Type() != fs.ModeSymlink {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: next, Err: unix.ELOOP}
		}
		target, err := t.fs.Readlink(next)
		if err != nil {
			return "", err
		}
		confined := t.links[next] || t.links[inode(info.(*unboot.Entry))]
		t.used[next] = true
		if strings.HasPrefix(target, "/") {
			done = "."
			if confined {
				done = t.base
			}
		}
		var steps []step
		for elem := range strings.SplitSeq(target, "/") {
			if elem != "" && elem != "." {
				steps = append(steps, step{elem, confined})
			}
		}
		rest = append(steps, rest...)
	}
	return done, nil
}

var errLeaves = errors.New("a symbolic link of the archive leads out of the directory that is written to")
