// Package glob finds the files of a tree that match a pattern, as glob(3) with GLOB_BRACE.
//
// It deviates from glob(3) in that a directory that cannot be read has no matches, and in the
// bounds of [Braces].
package glob

import (
	"context"
	"path"
	"strings"
)

// A Tree is a tree of files, whose names begin with a slash. The root is "/".
type Tree interface {
	Exists(name string) bool            // a symbolic link that leads nowhere does
	IsDir(name string) bool             // or a symbolic link to one
	Names(dir string) ([]string, error) // sorted
}

// Find returns the files that an absolute pattern without braces matches, sorted. If the
// pattern ends in a slash they are directories, and end in one too. The error is that of the
// context.
func Find(ctx context.Context, t Tree, pattern string) ([]string, error) {
	paths := []string{""}
	elems := strings.FieldsFunc(pattern, func(r rune) bool { return r == '/' })
	dirOnly := strings.HasSuffix(pattern, "/")
	for i, elem := range elems {
		var next []string
		for _, dir := range paths {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			next = append(next, match(t, dir, elem)...)
		}
		paths = next
		if i < len(elems)-1 || dirOnly {
			kept := paths[:0]
			for _, p := range paths {
				if t.IsDir(p) {
					kept = append(kept, p)
				}
			}
			paths = kept
		}
	}
	if dirOnly {
		for i := range paths {
			paths[i] += "/"
		}
	}
	return paths, nil
}

// match returns what matches one element of a pattern in a directory, which is "" for the
// root.
func match(t Tree, dir, elem string) (paths []string) {
	if !strings.ContainsAny(elem, `*?[\`) {
		if t.Exists(dir + "/" + elem) {
			paths = append(paths, dir+"/"+elem)
		}
		return paths
	}
	names, err := t.Names(dir + "/")
	if err != nil {
		return nil
	}
	for _, name := range names {
		if name[0] == '.' && elem[0] != '.' {
			continue
		}
		// The syntax of path.Match is that of glob(7) but for [!…].
		if ok, _ := path.Match(strings.ReplaceAll(elem, "[!", "[^"), name); ok {
			paths = append(paths, dir+"/"+name)
		}
	}
	return paths
}
