package guestfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/tarball"
	"github.com/unboot/unboot/internal/treecopy"
)

// copyIn copies a file or a tree of the host into a directory.
func (g *Guestfs) copyIn(localpath, remotedir string) error {
	if _, err := os.Lstat(localpath); err != nil {
		return perror(bare(err), "source '%s' does not exist (or cannot be read)", localpath)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeTree(w, localpath)) }()
	// A reader that stops has to say so, or the writer waits forever.
	defer r.Close()
	return g.request(&request{
		proc: rpc.ProcTarIn, args: &rpc.TarInArgs{Directory: remotedir}, in: r,
	})
}

// writeTree writes an archive of a tree of the host, whose members begin with its name.
// Owners are in it as numbers, and extended attributes are not. The first error ends it.
func writeTree(w io.Writer, root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return pathError(err)
	}
	sink := &treecopy.TarSink{W: tarball.NewWriter(w), Base: filepath.Base(root)}
	sink.Report.Fail = func(name string, err error) error {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return errorf(syscall.EIO, "%s: it became shorter while it was read", name)
		}
		return treeError(name, err)
	}
	return treecopy.Transfer(context.Background(), &treecopy.HostSource{Root: root, NoXattrs: true}, sink)
}

// readTree unpacks an archive into a directory of the host. The archive is the guest's:
// nothing outside of the directory is touched, whatever its members are called and
// wherever symbolic links point. Device nodes and FIFOs are left out. Owners are kept if
// this is root, as tar(1) does. The first error ends it.
func readTree(r io.Reader, dir string) error {
	root, err := os.Open(dir)
	if err != nil {
		return pathError(err)
	}
	defer root.Close()
	sink := &treecopy.HostSink{
		Root: root, NoDevices: true, Chown: os.Geteuid() == 0,
		Label:  func(p string) string { return filepath.Join(dir, p) },
		Report: treecopy.Report{Fail: treeError},
	}
	src := &treecopy.TarSource{R: tarball.NewReader(r), Xattrs: func(string) bool { return false }}
	return treecopy.Transfer(context.Background(), src, sink)
}

// treeError gives an error about a file of a tree the form of perror.
func treeError(name string, err error) error {
	if errors.As(err, new(*fs.PathError)) {
		return pathError(err)
	}
	return perror(err, "%s", name)
}

// copyOut copies a file or a tree into a directory of the host.
func (g *Guestfs) copyOut(remotepath, localdir string) error {
	st, err := os.Stat(localdir)
	if err != nil {
		return perror(bare(err), "target '%s' is not a directory", localdir)
	}
	if !st.IsDir() {
		return errorf(syscall.ENOTDIR, "target '%s' is not a directory", localdir)
	}
	base := path.Base(remotepath)
	if base == ".." || base == "." {
		return errorf(syscall.EINVAL, "%s: not a name that can be copied to", remotepath)
	}
	regular, err := query(g, rpc.ProcIsFile, &rpc.IsFileArgs{Path: remotepath}, (*xdr.Codec).Bool)
	if err != nil {
		return err
	}
	if regular {
		f := &outFile{name: filepath.Join(localdir, base)}
		return f.close(g.request(&request{
			proc: rpc.ProcDownload, args: &rpc.DownloadArgs{Remotefilename: remotepath}, out: f,
		}))
	}
	target, made := localdir, false
	if base != "/" {
		target = filepath.Join(localdir, base)
		err := os.Mkdir(target, 0o755)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return pathError(err)
		}
		made = err == nil
	}
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := readTree(r, target)
		// What follows the end of an archive is read, so that the sender gets rid of it.
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		r.CloseWithError(err)
		done <- err
	}()
	err = g.request(&request{
		proc: rpc.ProcTarOut, args: &rpc.TarOutArgs{Directory: remotepath}, out: w,
	})
	w.CloseWithError(err)
	if e := <-done; err == nil {
		err = e
	}
	if err != nil && made {
		os.Remove(target) // unless something has come
	}
	return err
}
