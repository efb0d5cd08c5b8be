package server

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/acl"
	"github.com/unboot/unboot/internal/tarball"
	"github.com/unboot/unboot/internal/treecopy"
)

// TarIn unpacks an archive into a directory.
func (s *Server) TarIn(ctx context.Context, a *rpc.TarInArgs, in io.Reader) error {
	return s.tarIn(ctx, a, in)
}

// TgzIn unpacks an archive that gzip has compressed.
func (s *Server) TgzIn(ctx context.Context, a *rpc.TgzInArgs, in io.Reader) error {
	return s.tarIn(ctx, &rpc.TarInArgs{Directory: a.Directory, Compress: rpc.Some("gzip")}, in)
}

// TxzIn unpacks an archive that xz has compressed.
func (s *Server) TxzIn(ctx context.Context, a *rpc.TxzInArgs, in io.Reader) error {
	return s.tarIn(ctx, &rpc.TarInArgs{Directory: a.Directory, Compress: rpc.Some("xz")}, in)
}

func (s *Server) tarIn(ctx context.Context, a *rpc.TarInArgs, in io.Reader) error {
	if _, err := s.stat(a.Directory); err != nil {
		return perror(err, "%s", a.Directory)
	}
	root, err := s.directory(a.Directory)
	if err != nil {
		return err
	}
	r, err := decompressor(a.Compress.Or(""), in)
	if err != nil {
		return err
	}
	// A tree of its own, out of which no link of the archive leads.
	sub, err := s.tree().Sub(root)
	if err != nil {
		return err
	}
	var bad badMembers
	src := &treecopy.TarSource{
		R: tarball.NewReader(r), Xattrs: wantedXattrs(a.Xattrs.Or(false), a.Selinux.Or(false), a.Acls.Or(false)),
	}
	err = treecopy.Transfer(ctx, src, &treecopy.ImageSink{
		FS: sub.(*unboot.FS), Dir: ".", Umask: fs.FileMode(s.umask),
		// As tar does, go on with the next one; of attributes it only warns.
		Report: treecopy.Report{Fail: bad.add, Lost: bad.lost},
	})
	var archive *treecopy.ArchiveError
	switch {
	case errors.Is(err, tarball.ErrHeader):
		return errorf("tar subcommand failed on directory: %s: tar: This does not look like a tar archive\ntar: Exiting with failure status due to previous errors", a.Directory)
	case errors.As(err, &archive):
		return perror(archive.Err, "tar subcommand failed on directory: %s", a.Directory)
	case err != nil:
		return err
	}
	// What follows the archive is of no interest, but is to be read.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	return bad.err(a.Directory)
}

// wantedXattrs returns which extended attributes the options of an archive ask for.
func wantedXattrs(xattrs, selinux, acls bool) func(name string) bool {
	return func(name string) bool {
		switch name {
		case selinuxAttr:
			return selinux
		case acl.Access, acl.Default:
			return acls
		}
		return xattrs
	}
}
