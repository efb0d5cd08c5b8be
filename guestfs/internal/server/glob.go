package server

import (
	"context"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/glob"
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
	for _, pattern := range glob.Braces(a.Pattern) {
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
	return glob.Find(ctx, globTree{s}, pattern)
}

// globTree is what is mounted, as package glob takes it.
type globTree struct{ s *Server }

func (t globTree) Exists(name string) bool {
	_, err := t.s.lstat(name)
	return err == nil
}

func (t globTree) IsDir(name string) bool             { return t.s.isDirectory(name) }
func (t globTree) Names(dir string) ([]string, error) { return t.s.names(dir) }
