package server

import (
	"context"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// GlobExpand returns the paths that a pattern matches. Directories end in a slash, unless
// that is not wanted.
func (s *Server) GlobExpand(ctx context.Context, a *rpc.GlobExpandArgs) ([]string, error) {
	slash := a.Directoryslash.Or(true)
	if len(a.Pattern) >= unix.PathMax {
		return nil, perror(unix.ENAMETOOLONG, "%s", a.Pattern)
	}
	if !s.mounted() {
		return nil, errorf("glob_expand_stub: you must call 'mount' first to mount the root filesystem")
	}
	out := []string{}
	for _, pattern := range expandBraces(a.Pattern) {
		dirOnly := strings.HasSuffix(pattern, "/")
		paths, err := s.glob(ctx, pattern)
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			if slash && !dirOnly && p != "/" && s.isDirectory(p) {
				p += "/"
			}
			out = append(out, p)
		}
	}
	return out, nil
}

func (s *Server) isDirectory(p string) bool {
	st, err := s.stat(p)
	return err == nil && fileType(&st) == unix.S_IFDIR
}

// glob returns what matches a pattern without braces, sorted.
func (s *Server) glob(ctx context.Context, pattern string) ([]string, error) {
	if !strings.HasPrefix(pattern, "/") {
		return nil, errorf("glob_expand_stub: path must start with a / character")
	}
	paths := []string{""}
	elems := strings.FieldsFunc(pattern, func(r rune) bool { return r == '/' })
	dirOnly := strings.HasSuffix(pattern, "/")
	for i, elem := range elems {
		last := i == len(elems)-1
		var next []string
		for _, dir := range paths {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if !strings.ContainsAny(elem, `*?[\`) {
				if _, err := s.lstat(dir + "/" + elem); err == nil {
					next = append(next, dir+"/"+elem)
				}
				continue
			}
			names, err := s.names(guestPath(dir))
			if err != nil {
				continue
			}
			for _, name := range names {
				if name[0] == '.' && elem[0] != '.' {
					continue
				}
				// The syntax of path.Match is that of glob(7) but for [!…].
				if ok, _ := path.Match(strings.ReplaceAll(elem, "[!", "[^"), name); ok {
					next = append(next, dir+"/"+name)
				}
			}
		}
		paths = next
		if !last || dirOnly {
			kept := paths[:0]
			for _, p := range paths {
				if s.isDirectory(p) {
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

// maxBraces bounds what a pattern with braces expands to.
const maxBraces = 4096

// expandBraces expands the first {a,b} of a pattern, then those after it, as glob(3)
// with GLOB_BRACE.
func expandBraces(pattern string) []string {
	done, todo := []string{}, []string{pattern}
	for len(todo) > 0 && len(done)+len(todo) < maxBraces {
		p := todo[0]
		todo = todo[1:]
		open, alternatives, end := braces(p)
		if alternatives == nil {
			done = append(done, p)
			continue
		}
		expanded := make([]string, 0, len(alternatives)+len(todo))
		for _, alt := range alternatives {
			expanded = append(expanded, p[:open]+alt+p[end:])
		}
		todo = append(expanded, todo...)
	}
	return done
}

// braces finds the first group of braces.
func braces(p string) (open int, alternatives []string, end int) {
	open = strings.IndexByte(p, '{')
	if open < 0 || strings.HasPrefix(p[open:], "{}") {
		return 0, nil, 0
	}
	depth, from := 0, open+1
	for i := open; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '{':
			depth++
		case ',':
			if depth == 1 {
				alternatives = append(alternatives, p[from:i])
				from = i + 1
			}
		case '}':
			if depth--; depth == 0 {
				return open, append(alternatives, p[from:i]), i + 1
			}
		}
	}
	return 0, nil, 0
}
