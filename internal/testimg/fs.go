package testimg

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Options say what a small file system image is like.
type Options struct {
	Size  int64    // bytes; 0 means small but roomy enough for the odd tree
	Label string   // volume label, "" for none
	Tree  bool     // put the odd tree in; see Populates
	Nodes []Node   // with Tree: what to put in instead of TreeFor(type)
	Args  []string // more arguments for the mkfs program
}

// uuid is the UUID of every image whose mkfs program lets one choose it.
const uuid = "c0ffee00-1234-4abc-8def-0123456789ab"

// recipe says how to make one type of file system.
type recipe struct {
	tools []string
	size  int64         // default size, 0 where the tool makes the file
	label string        // option that sets the label, "" if there is none
	holds func(t *tree) // leaves what an image can be filled with; nil: nothing
	make  func(*job) error
}

// job is one image in the making.
type job struct {
	out  string
	dir  string // what to fill it with, "" for nothing
	tree []Node
	opts Options
	args []string // Options.Args and the label
}

// Types returns the names of the types that FS knows, sorted.
func Types() []string {
	var names []string
	for name := range recipes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Populates reports whether FS can fill an image of the type with a tree.
func Populates(fstype string) bool { return recipes[fstype].holds != nil }

// FS returns the host path of a shared image of a small file system: one of
// [Types], which are the names that blkid gives, and fat12, fat16, fat32. It
// skips the test if the host lacks the mkfs program.
func FS(t testing.TB, fstype string, o Options) string {
	t.Helper()
	image, err := BuildFS(fstype, o)
	check(t, err)
	return shared(t, image)
}

// BuildFS is [FS] outside of tests.
func BuildFS(fstype string, o Options) (string, error) {
	r, ok := recipes[fstype]
	if !ok {
		return "", fmt.Errorf("no recipe for file system type %q", fstype)
	}
	if o.Tree && r.holds == nil {
		return "", fmt.Errorf("%s images cannot be filled here", fstype)
	}
	if o.Size == 0 {
		o.Size = r.size
	}
	j := &job{opts: o, args: slices.Clone(o.Args)}
	if o.Label != "" {
		if r.label == "" {
			return "", fmt.Errorf("%s has no labels", fstype)
		}
		if strings.HasSuffix(r.label, "=") {
			j.args = append(j.args, r.label+o.Label)
		} else {
			j.args = append(j.args, r.label, o.Label)
		}
	}
	if o.Tree {
		if j.tree = o.Nodes; j.tree == nil {
			j.tree = TreeFor(fstype)
		}
	}
	key := fmt.Sprintf("%s %d %q %v\n%s", fstype, o.Size, j.args, o.Tree, describe(j.tree))
	return cached(fstype, key, r.tools, func(out string) error {
		j.out = out
		// The tools that make the file themselves want something to
		// make it from, so there is always a directory.
		work, remove, err := scratch()
		if err != nil {
			return err
		}
		defer remove()
		dir := filepath.Join(work, "root")
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := WriteTree(dir, j.tree); err != nil {
			return err
		}
		if o.Tree || r.size == 0 {
			j.dir = dir
		}
		if r.size != 0 {
			if err := blank(out, o.Size); err != nil {
				return err
			}
		}
		return r.make(j)
	})
}

// run runs a program with the job's arguments and then the given ones.
func (j *job) run(name string, before []string, after ...string) error {
	_, err := Run(name, slices.Concat(before, j.args, after)...)
	return err
}
