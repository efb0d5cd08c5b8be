package guestfs

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// copyIn copies a file or a tree of the host into a directory.
func (g *Guestfs) copyIn(localpath, remotedir string) error {
	if _, err := os.Lstat(localpath); err != nil {
		return perror(bare(err), "source '%s' does not exist (or cannot be read)", localpath)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeTree(w, localpath)) }()
	// Who reads no more has to say so, or the writer waits for ever.
	defer r.Close()
	return g.request(&request{
		proc: rpc.ProcTarIn, args: &rpc.TarInArgs{Directory: remotedir}, in: r,
	})
}

// writeTree writes an archive of a tree of the host, whose members begin with its name.
// Owners are in it as numbers.
func writeTree(w io.Writer, root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return pathError(err)
	}
	base := filepath.Base(root)
	t := tar.NewWriter(w)
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		return writeMember(t, name, path.Join(base, filepath.ToSlash(rel)), d)
	})
	if err == nil {
		err = t.Close()
	}
	if errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	return pathError(err)
}

func writeMember(t *tar.Writer, name, member string, d fs.DirEntry) error {
	st, err := d.Info()
	if err != nil {
		return err
	}
	if st.Mode()&fs.ModeSocket != 0 {
		return nil // tar(1) leaves them out, too
	}
	link := ""
	if st.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(name); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(st, link)
	if err != nil {
		return err
	}
	h.Name = member
	if st.IsDir() {
		h.Name += "/"
	}
	h.Uname, h.Gname = "", ""
	h.ModTime = h.ModTime.Truncate(time.Second) // the archive would have it rounded
	if !st.Mode().IsRegular() {
		return t.WriteHeader(h)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.CopyN(t, f, h.Size)
	if err == io.EOF {
		return &fs.PathError{Op: "read", Path: name, Err: errorf(syscall.EIO, "shrank to %d bytes meanwhile", n)}
	}
	return err
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
