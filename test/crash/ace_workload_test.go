package crash

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// # Bounded workloads
//
// ACE (Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI
// 2018) makes all workloads of a few operations on a few files, each with a point of persistence
// after it: an fsync, an fdatasync, a sync or, but for the last, nothing. What has to be there
// before an operation is made first, without one. These are made here from that description.

// An aceOp is one step of a workload.
type aceOp struct {
	name string // as ACE calls it
	path string // "A/foo"; of the root ""
	to   string // the second path of link, symlink and rename
	// where is the part of the file that is written or allocated: append, overwrite or
	// extend; and what is left by truncate: nothing or unaligned.
	where string
	mode  uint32 // of falloc
}

func (o aceOp) String() string {
	s := o.name
	for _, word := range []string{o.path, o.to, o.where} {
		if word != "" {
			s += " " + word
		}
	}
	if o.name == "falloc" {
		s += fmt.Sprintf(" %#x", o.mode)
	}
	return s
}

// persists reports whether a step is a point of persistence.
func (o aceOp) persists() bool { return o.name == "fsync" || o.name == "fdatasync" || o.name == "sync" }

// An aceWorkload is a list of steps that all succeed.
type aceWorkload []aceOp

func (w aceWorkload) String() string {
	var words []string
	for _, o := range w {
		words = append(words, o.String())
	}
	return strings.Join(words, "; ")
}

// aceBounds are the files that workloads are about. Operations with one file are about the first
// ones only: a workload with foo and bar exchanged is the same.
type aceBounds struct {
	files, others []string
	dirs          []string
}

// aceFlat are ACE's bounds. aceNested has a level more, A/C.
var (
	aceFlat = aceBounds{
		files: []string{"foo", "A/foo"}, others: []string{"bar", "A/bar"}, dirs: []string{"A", "B"},
	}
	aceNested = aceBounds{
		files:  []string{"foo", "A/foo", "A/C/foo"},
		others: []string{"bar", "A/bar", "B/bar", "A/C/bar"}, dirs: []string{"A", "B", "A/C"},
	}
)

// Modes of fallocate(2) that ACE knows.
var aceModes = []uint32{
	0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_ZERO_RANGE, unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE,
	unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE,
}

// operations returns each operation with all of its arguments. ACE has mmapwrite, too; calls into the
// image's kernel have no address space that a file could be mapped into.
func (b aceBounds) operations() (list []aceOp) {
	for _, f := range b.files {
		list = append(list, aceOp{name: "creat", path: f})
		for _, where := range []string{"append", "overwrite", "extend"} {
			list = append(list, aceOp{name: "write", path: f, where: where})
			for _, mode := range aceModes {
				list = append(list, aceOp{name: "falloc", path: f, where: where, mode: mode})
			}
		}
		for _, where := range []string{"append", "overwrite"} {
			list = append(list, aceOp{name: "dwrite", path: f, where: where})
		}
		list = append(list, aceOp{name: "fsetxattr", path: f}, aceOp{name: "removexattr", path: f},
			aceOp{name: "truncate", path: f, where: "nothing"}, aceOp{name: "truncate", path: f, where: "unaligned"})
	}
	for _, f := range slices.Concat(b.files, b.others) {
		list = append(list, aceOp{name: "unlink", path: f})
		for _, to := range b.others {
			if f != to {
				for _, name := range []string{"link", "symlink", "rename"} {
					list = append(list, aceOp{name: name, path: f, to: to})
				}
			}
		}
	}
	for _, d := range b.dirs {
		list = append(list, aceOp{name: "mkdir", path: d}, aceOp{name: "remove", path: d})
		if d != "B" {
			list = append(list, aceOp{name: "rename", path: d, to: "B"})
		}
	}
	return list
}

// An aceDraft is a workload that is being made, and what it leads to.
type aceDraft struct {
	m     *aceModel
	steps aceWorkload
	used  []string
}

// with returns the draft with one more operation, and what has to be there for it, or false if the
// operation cannot be done.
func (d aceDraft) with(op aceOp) (aceDraft, bool) {
	d.m = d.m.clone()
	d.steps = append(slices.Clip(d.steps), d.m.prepare(op)...)
	if !d.m.can(op) {
		return d, false
	}
	d.m.do(op)
	d.steps = append(d.steps, op)
	d.used = append(slices.Clip(d.used), op.path, op.to)
	return d, true
}

// persisted returns the draft with a point of persistence.
func (d aceDraft) persisted(p aceOp) aceDraft {
	d.m = d.m.clone()
	d.m.do(p)
	d.steps = append(slices.Clip(d.steps), p)
	return d
}

// An aceKey has the choices that make a workload: for each operation its number, and that of the
// point of persistence after it, 0 for none.
type aceKey string

// workloads iterates over all workloads of n operations.
func (b aceBounds) workloads(n int) iter.Seq2[aceKey, aceWorkload] {
	return func(yield func(aceKey, aceWorkload) bool) {
		b.extend(aceDraft{m: newACEModel()}, "", n, b.operations(), yield)
	}
}

// extend yields all workloads that begin with a draft and have left more operations. It returns
// false when there is to be an end.
func (b aceBounds) extend(d aceDraft, key aceKey, left int, all []aceOp, yield func(aceKey, aceWorkload) bool) bool {
	for i, op := range all {
		d, ok := d.with(op)
		if !ok {
			continue
		}
		if left > 1 && !b.extend(d, key+aceKey([]byte{byte(i), 0}), left-1, all, yield) {
			return false
		}
		for j, p := range d.m.persistence(d.used) {
			d, key := d.persisted(p), key+aceKey([]byte{byte(i), byte(j + 1)})
			if left > 1 && !b.extend(d, key, left-1, all, yield) || left == 1 && !yield(key, d.steps) {
				return false
			}
		}
	}
	return true
}

// workload returns the workload of a key.
func (b aceBounds) workload(key aceKey) aceWorkload {
	all, d := b.operations(), aceDraft{m: newACEModel()}
	for i := 0; i < len(key); i += 2 {
		d, _ = d.with(all[key[i]])
		if j := key[i+1]; j > 0 {
			d = d.persisted(d.m.persistence(d.used)[j-1])
		}
	}
	return d.steps
}

// random returns a workload of n operations.
func (b aceBounds) random(rng *rand.Rand, n int) aceWorkload {
	all, d := b.operations(), aceDraft{m: newACEModel()}
	for i := 0; i < n; {
		next, ok := d.with(all[rng.IntN(len(all))])
		if !ok {
			continue
		}
		i++
		d = next
		points := d.m.persistence(d.used)
		if j := rng.IntN(len(points) + 1); j < len(points) || i == n {
			d = d.persisted(points[min(j, len(points)-1)])
		}
	}
	return d.steps
}

// persistence returns the points of persistence that there can be now: of the files that were
// used, of those beside them and of the directories above.
func (m *aceModel) persistence(used []string) []aceOp {
	list := []aceOp{{name: "sync"}}
	seen := map[string]bool{}
	add := func(p string) {
		n := m.lookup(p)
		if seen[p] || n == nil || n.kind == 'l' {
			return
		}
		seen[p] = true
		list = append(list, aceOp{name: "fsync", path: p})
		if n.kind == 'f' {
			list = append(list, aceOp{name: "fdatasync", path: p})
		}
	}
	for _, p := range used {
		if p == "" {
			continue
		}
		dir, base := aceSplit(p)
		add(p)
		add(dir)
		add(path.Join(dir, map[string]string{"foo": "bar", "bar": "foo", "A": "B", "B": "A"}[base]))
	}
	return list
}

// prepare makes what has to be there for an operation, in the model, and returns the steps.
func (m *aceModel) prepare(op aceOp) (steps aceWorkload) {
	step := func(o aceOp) {
		if m.can(o) {
			m.do(o)
			steps = append(steps, o)
		}
	}
	for _, p := range []string{op.path, op.to} {
		if dir, _ := aceSplit(p); p != "" && dir != "" {
			if above, _ := aceSplit(dir); above != "" {
				step(aceOp{name: "mkdir", path: above})
			}
			step(aceOp{name: "mkdir", path: dir})
		}
	}
	switch _, base := aceSplit(op.path); {
	case op.name == "mkdir":
		step(aceOp{name: "remove", path: op.path})
		return steps
	case op.name == "creat":
		step(aceOp{name: "unlink", path: op.path})
		return steps
	case base == "foo" || base == "bar":
		step(aceOp{name: "creat", path: op.path})
	default:
		step(aceOp{name: "mkdir", path: op.path})
	}
	switch op.name {
	case "link", "symlink":
		step(aceOp{name: "unlink", path: op.to})
	case "removexattr":
		if n := m.lookup(op.path); n != nil && n.xattr == "" {
			step(aceOp{name: "fsetxattr", path: op.path})
		}
	case "truncate", "falloc", "write", "dwrite":
		if n := m.lookup(op.path); n != nil && len(n.data) < acePiece && (op.where != "append" || op.name == "falloc") {
			step(aceOp{name: "write", path: op.path, where: "append"})
		}
	}
	return steps
}

// acePiece is how much is appended, in bytes.
const acePiece = 32 << 10

// span returns the part of a file that an operation is about.
func (o aceOp) span(size int) (off, n int) {
	switch {
	case o.where == "append" && o.name == "dwrite":
		return (size + 4095) &^ 4095, acePiece
	case o.where == "append":
		return size, acePiece
	case o.where == "overwrite" && o.name == "dwrite":
		return 0, 8192
	case o.where == "overwrite":
		return 0, 5000
	case o.where == "extend":
		return max(size-2000, 0), 5000
	}
	return 0, 0
}

// aceSplit returns the directory and the last element of a path.
func aceSplit(p string) (dir, base string) {
	dir, base = path.Split(p)
	return strings.TrimSuffix(dir, "/"), base
}
