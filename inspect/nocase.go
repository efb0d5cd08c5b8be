package inspect

import (
	"path"
	"strings"
)

// maxDepth bounds how many elements a path may have that is looked for without
// regard to case.
const maxDepth = 32

// noCase finds a file without regard to case, as DOS and Windows do, and returns its
// path as the tree has it, or "". Each element of the path may be separated by a
// slash or a backslash. A name in the very case is preferred.
func (t *tree) noCase(name string) string {
	elems := strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' })
	if len(elems) == 0 || len(elems) > maxDepth {
		return ""
	}
	dir := "."
	for i, elem := range elems {
		if elem == "." || elem == ".." {
			return ""
		}
		found := ""
		if t.exists(path.Join(dir, elem)) {
			found = elem
		} else {
			found = t.fold(dir)[strings.ToLower(elem)]
		}
		if found == "" {
			return ""
		}
		dir = path.Join(dir, found)
		if i < len(elems)-1 && !t.isDir(dir) {
			return ""
		}
	}
	return dir
}

// noCaseFile is noCase for a regular file.
func (t *tree) noCaseFile(name string) string {
	if p := t.noCase(name); p != "" && t.isFile(p) {
		return p
	}
	return ""
}

// noCaseDir is noCase for a directory.
func (t *tree) noCaseDir(name string) string {
	if p := t.noCase(name); p != "" && t.isDir(p) {
		return p
	}
	return ""
}

// maxFolded bounds how many directories are remembered.
const maxFolded = 16

// fold returns the names in a directory by their lower case.
func (t *tree) fold(dir string) map[string]string {
	if names, ok := t.folded[dir]; ok {
		return names
	}
	names := map[string]string{}
	if l := t.names(dir); l != nil {
		for lower, e := range l {
			names[lower] = e.name
		}
	} else {
		for _, e := range t.list(dir) {
			lower := strings.ToLower(e.Name())
			if _, again := names[lower]; !again {
				names[lower] = e.Name()
			}
		}
	}
	if len(t.folded) >= maxFolded {
		t.folded = nil
	}
	if t.folded == nil {
		t.folded = map[string]map[string]string{}
	}
	t.folded[dir] = names
	return names
}
