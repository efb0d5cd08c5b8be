package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/unboot/unboot"
)

// errReported ends a command whose error was reported already: the exit code is that of a
// failure, and nothing more is printed.
var errReported = errors.New("failed")

// message returns an error's text on one line or, if it has more, indented.
func message(err error) string {
	return strings.ReplaceAll(strings.TrimRight(err.Error(), "\n"), "\n", "\n  ")
}

// reason removes the operation and the path from an error whose message will begin with
// the path as the user knows it. Only the outermost errors are unwrapped: text that was
// put around one deeper inside would be lost with it.
func reason(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	var se *os.SyscallError
	for {
		switch {
		case errors.As(err, &pe) && err == error(pe):
			err = pe.Err
		case errors.As(err, &le) && err == error(le):
			err = le.Err
		case errors.As(err, &se) && err == error(se):
			err = se.Err
		default:
			return err
		}
	}
}

// about puts the name of a file in an image before an error. If the file does not exist,
// the path that may have been meant is appended.
func (o *opened) about(p string, err error) error {
	if err == nil {
		return nil
	}
	hint := ""
	if errors.Is(err, fs.ErrNotExist) && o.fs != nil {
		hint = o.suggest(p)
	}
	return fmt.Errorf("%s: %w%s", o.label(p), reason(err), hint)
}

// aboutEntry is about for a path that was found in the image: there is no typing error
// to look for.
func (o *opened) aboutEntry(p string, err error) error {
	return fmt.Errorf("%s: %w", o.label(p), reason(err))
}

// aboutTarget is about for what an argument names. A path that demands a directory
// is shown as it was written, since that may be what the error is about.
func (o *opened) aboutTarget(t target, err error) error {
	if err == nil || !demandsDir(t.path) {
		return o.about(t.clean(), err)
	}
	hint := ""
	if errors.Is(err, fs.ErrNotExist) {
		hint = o.suggest(t.clean())
	}
	return fmt.Errorf("%s: %w%s", quote(o.path+":/"+strings.TrimLeft(t.path, "/")), reason(err), hint)
}

// label returns the name of a path of the image in messages.
func (o *opened) label(p string) string { return quote(o.path + ":" + display(p)) }

// display returns a path of an FS as users write it: absolute.
func display(p string) string {
	if p == "." || p == "" {
		return "/"
	}
	return "/" + p
}

// suggest finds the first element of a path that does not exist, and the most similar
// name in its directory. It returns what to append to the message, or "".
func (o *opened) suggest(p string) string {
	p = unboot.CleanPath(p)
	if _, err := o.fs.Lstat(p); err == nil {
		if target, err := o.fs.Readlink(p); err == nil {
			return fmt.Sprintf(" (a symbolic link to %s, which does not exist)", quote(target))
		}
		return ""
	}
	dir := "."
	for elem := range strings.SplitSeq(p, "/") {
		next := path.Join(dir, elem)
		if _, err := o.fs.Stat(next); err == nil {
			dir = next
			continue
		}
		var names []string
		for e, err := range o.fs.Entries(dir, nil) {
			// A hint is not worth reading a huge directory to its end, or more errors.
			if err != nil || len(names) == 10000 {
				break
			}
			names = append(names, e.Name())
		}
		n := nearest(elem, names)
		switch n {
		case "":
			return ""
		case elem:
			return fmt.Sprintf(" (%s lists it, but it cannot be found by its name)", quote(display(dir)))
		}
		rest := strings.TrimPrefix(strings.TrimPrefix(p, next), "/")
		return didYouMean(display(path.Join(dir, n, rest)))
	}
	return ""
}

// didYouMean returns the hint with a name, or "" without one.
func didYouMean(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", quote(s))
}

// nearest returns the name that is most similar to s, or "" if none is. Up to two edits
// are taken for typing errors, and only one in a word of at most three letters, where two
// would make any other word of it. A difference in case only counts as none.
func nearest(s string, names []string) string {
	best, bestDist := "", min(3, (len(s)+2)/3+1)
	for _, n := range names {
		if strings.EqualFold(s, n) {
			return n
		}
		if d := distance(s, n, bestDist); d < bestDist {
			best, bestDist = n, d
		}
	}
	return best
}

// distance returns the number of bytes to change, insert, delete or swap with the next to
// turn a into b; if that is limit or more, any number from limit on. It takes time in
// proportion to the product of the lengths, so words longer than a file name can be are
// not compared.
func distance(a, b string, limit int) int {
	if max(len(a), len(b))-min(len(a), len(b)) >= limit || len(a) > 255 {
		return limit
	}
	// A swap looks two rows back, so three are kept of the matrix.
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			d := prev[j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			d = min(d, prev[j]+1, cur[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, prev2[j-2]+1)
			}
			cur[j] = d
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
