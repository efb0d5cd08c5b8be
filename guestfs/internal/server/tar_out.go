package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/tarball"
	"github.com/unboot/unboot/internal/treecopy"
)

// TarOut writes a directory as an archive. Its members are "./" and what is below.
func (s *Server) TarOut(ctx context.Context, a *rpc.TarOutArgs, out io.Writer) error {
	return s.tarOut(ctx, a, out)
}

// TgzOut writes a directory as an archive that gzip compresses.
func (s *Server) TgzOut(ctx context.Context, a *rpc.TgzOutArgs, out io.Writer) error {
	return s.tarOut(ctx, &rpc.TarOutArgs{Directory: a.Directory, Compress: rpc.Some("gzip")}, out)
}

// TxzOut writes a directory as an archive that xz compresses.
func (s *Server) TxzOut(ctx context.Context, a *rpc.TxzOutArgs, out io.Writer) error {
	return s.tarOut(ctx, &rpc.TarOutArgs{Directory: a.Directory, Compress: rpc.Some("xz")}, out)
}

func (s *Server) tarOut(ctx context.Context, a *rpc.TarOutArgs, out io.Writer) error {
	root, err := s.directory(a.Directory)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 256<<10)
	z, err := compressor(a.Compress.Or(""), 0, w)
	if err != nil {
		return err
	}
	xattrs, selinux, acls := a.Xattrs.Or(false), a.Selinux.Or(false), a.Acls.Or(false)
	src := &treecopy.ImageSource{
		FS: s.tree(), Root: root, Exclude: tarExcluder(a.Excludes.Or(nil)),
		Xattrs: wantedXattrs(xattrs, selinux, acls), NoXattrs: !xattrs && !selinux && !acls,
	}
	dst := &treecopy.TarSink{W: tarball.NewWriter(z)}
	dst.Report.Fail = func(name string, err error) error {
		if errors.Is(err, tarball.ErrInvalid) { // no archive can hold it
			s.logf("tar: %s: %v", name, err)
			return nil
		}
		return perror(err, "%s", guestPath(name))
	}
	if !a.Numericowner.Or(false) {
		dst.Owners = s.owners()
	}
	if err := treecopy.Transfer(ctx, src, dst); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return w.Flush()
}

// tarExcluder returns what reports whether a pattern matches a path or its end, as tar's
// --exclude. A "*" matches slashes too.
func tarExcluder(patterns []string) func(rel string) bool {
	// Slashes are nothing special to tar here, but they are to path.Match.
	plain := strings.NewReplacer("/", "\x01")
	var excludes []string
	for _, p := range patterns {
		excludes = append(excludes, plain.Replace(strings.TrimPrefix(p, "./")))
	}
	if excludes == nil {
		return nil
	}
	return func(rel string) bool {
		if rel == "." {
			return false
		}
		for _, pattern := range excludes {
			for p := plain.Replace(rel); ; {
				if ok, _ := path.Match(pattern, p); ok {
					return true
				}
				_, rest, more := strings.Cut(p, "\x01")
				if !more {
					break
				}
				p = rest
			}
		}
		return false
	}
}

// owners returns the names of users and groups in the guest's files, which are taken as
// far as they are sane.
func (s *Server) owners() func(uid, gid int) (user, group string) {
	read := func(p string) map[uint32]string {
		const most = 4 << 20
		names := map[uint32]string{}
		text, err := s.view().ReadFile(p, most)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.logf("%s: %v", p, err)
		}
		for line := range bytes.Lines(text) {
			f := strings.Split(string(line), ":")
			if len(f) < 4 || f[0] == "" {
				continue
			}
			id, err := strconv.ParseUint(f[2], 10, 32)
			if _, again := names[uint32(id)]; err == nil && !again && len(f[0]) <= 32 {
				names[uint32(id)] = f[0]
			}
		}
		return names
	}
	users, groups := read("/etc/passwd"), read("/etc/group")
	return func(uid, gid int) (user, group string) { return users[uint32(uid)], groups[uint32(gid)] }
}
