package customize

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/internal/compression"
	"github.com/unboot/unboot/internal/scrub"
	"github.com/unboot/unboot/internal/tarball"
	"github.com/unboot/unboot/internal/treecopy"
)

func (p *Plan) writeOp(name, content string) error {
	if err := absolute(name); err != nil {
		return err
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("writing %s", printable(name))
		return g.write(name, []byte(content), 0o644)
	})
}

func (p *Plan) appendLine(name, line string) error {
	if err := absolute(name); err != nil {
		return err
	}
	if strings.ContainsAny(line, "\n") {
		return errors.New("more than one line: repeat the option for several")
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("appending a line to %s", printable(name))
		data, _, err := g.readIf(name)
		if err != nil {
			return err
		}
		return g.write(name, appendLine(data, line, g.newline()), 0o644)
	})
}

// newline is how the guest's own files end their lines.
func (g *Guest) newline() string {
	if g.System.Type == inspect.Windows || g.System.Type == inspect.DOS {
		return "\r\n"
	}
	return "\n"
}

// appendLine appends a line with the line ending that the start of a file has.
func appendLine(data []byte, line, newline string) []byte {
	head := data[:min(len(data), 8192)]
	for _, n := range []string{"\r\n", "\n", "\r"} {
		if bytes.Contains(head, []byte(n)) {
			newline = n
			break
		}
	}
	data = bytes.Clone(data)
	if len(data) > 0 && !bytes.HasSuffix(data, []byte(newline)) {
		data = append(data, newline...)
	}
	return append(data, line+newline...)
}

func (p *Plan) chmod(perm, name string) error {
	if err := absolute(name); err != nil {
		return err
	}
	// As for OCaml's int_of_string with an 0o before a number with a leading zero: 0700 is
	// octal and 448 is the same.
	base := 10
	if strings.HasPrefix(perm, "0") {
		base = 8
	}
	n, err := strconv.ParseUint(perm, base, 32)
	if err != nil || n > 0o7777 {
		return fmt.Errorf("not a mode: %q (0700 is octal, 700 is decimal)", perm)
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("changing permissions of %s to %04o", printable(name), n)
		return about(name, g.FS.Chmod(unboot.CleanPath(name), unboot.FileMode(uint32(n)|unix.S_IFREG)))
	})
}

func (p *Plan) chown(value string) error {
	f := strings.SplitN(value, ":", 3)
	if len(f) != 3 {
		return errors.New("not UID:GID:PATH")
	}
	uid, err1 := strconv.ParseUint(f[0], 10, 31)
	gid, err2 := strconv.ParseUint(f[1], 10, 31)
	if err1 != nil || err2 != nil {
		return errors.New("the owner and the group have to be numbers")
	}
	name := f[2]
	if err := absolute(name); err != nil {
		return err
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("changing the owner of %s to %d:%d", printable(name), uid, gid)
		return about(name, g.FS.Chown(unboot.CleanPath(name), int(uid), int(gid)))
	})
}

func (p *Plan) delete(pattern string) error {
	if err := absolute(pattern); err != nil {
		return err
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("deleting %s", printable(pattern))
		list, err := g.Glob(ctx, pattern)
		if err != nil {
			return err
		}
		for _, name := range list {
			if err := g.RemoveAll(name); err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveAll deletes a file, or a directory with all that is in it. That there is none is
// not an error.
func (g *Guest) RemoveAll(name string) error {
	name = unboot.CleanPath(name)
	if name == "." {
		return about(name, errors.New("the root cannot be deleted"))
	}
	return about(name, g.FS.RemoveAll(name))
}

func (p *Plan) mkdirOp(name string) error {
	if err := absolute(name); err != nil {
		return err
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("making the directory %s", printable(name))
		return g.mkdir(name)
	})
}

func (p *Plan) link(value string) error {
	f := strings.Split(value, ":")
	if len(f) < 2 || f[0] == "" {
		return errors.New("not TARGET:LINK")
	}
	target, links := f[0], f[1:]
	if err := absolute(links...); err != nil {
		return err
	}
	return p.op(func(_ context.Context, g *Guest) error {
		for _, name := range links {
			g.say("linking %s to %s", printable(name), printable(target))
			if err := g.symlink(target, name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *Plan) touch(name string) error {
	if err := absolute(name); err != nil {
		return err
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("touching %s", printable(name))
		return g.Touch(name)
	})
}

// Touch makes an empty file, or sets the times of one to now.
func (g *Guest) Touch(name string) error {
	st, err := g.FS.Stat(unboot.CleanPath(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return g.write(name, nil, 0o644)
	case err != nil:
		return about(name, err)
	case !st.Mode().IsRegular():
		return about(name, errNotRegular)
	}
	now := time.Now()
	return about(name, g.FS.Chtimes(unboot.CleanPath(name), now, now))
}

func (p *Plan) truncate(name string) error {
	if err := absolute(name); err != nil {
		return err
	}
	return p.op(func(_ context.Context, g *Guest) error {
		g.say("truncating %s", printable(name))
		return g.truncate(name)
	})
}

// truncate empties a file that exists.
func (g *Guest) truncate(name string) error {
	name = unboot.CleanPath(name)
	st, err := g.FS.Stat(name)
	if err == nil && !st.Mode().IsRegular() {
		err = errNotRegular
	}
	if err == nil {
		err = g.FS.Truncate(name, 0)
	}
	return about(name, err)
}

func (p *Plan) truncateAll(name string) error {
	if err := absolute(name); err != nil {
		return err
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("truncating all files below %s", printable(name))
		root, err := treecopy.RealPath(g.FS, unboot.CleanPath(name))
		if err != nil {
			return about(name, err)
		}
		for e, err := range g.FS.Walk(root, nil) {
			if err == nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				return about(name, err)
			}
			if e.Type().IsRegular() {
				if err := g.FS.Truncate(e.Path(), 0); err != nil {
					return about(e.Path(), err)
				}
			}
		}
		return nil
	})
}

func (p *Plan) scrub(name string) error {
	if err := absolute(name); err != nil {
		return err
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("scrubbing %s", printable(name))
		return g.scrub(ctx, name)
	})
}

// scrub overwrites a file and deletes it. A link that leads to it stays, as for scrub(1).
func (g *Guest) scrub(ctx context.Context, name string) error {
	real, err := treecopy.RealPath(g.FS, unboot.CleanPath(name))
	if err != nil {
		return about(name, err)
	}
	st, err := g.FS.Lstat(real)
	if err == nil && !st.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		return about(name, err)
	}
	f, err := g.FS.OpenFile(real, os.O_RDWR, 0)
	if err != nil {
		return about(name, err)
	}
	// The rest of the last block may have something of an older file.
	const block = 4096
	err = scrub.Overwrite(ctx, f, (st.Size()+block-1)/block*block)
	if err = errors.Join(err, f.Close()); err == nil {
		err = g.FS.Remove(real)
	}
	return about(name, err)
}

func (p *Plan) move(src, dest string) error {
	if err := absolute(src, dest); err != nil {
		return err
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("moving %s to %s", printable(src), printable(dest))
		from, to := unboot.CleanPath(src), g.into(src, dest)
		err := g.FS.Rename(from, to)
		if errors.Is(err, unix.EXDEV) {
			// Between file systems, as mv(1).
			if err = g.copyTree(ctx, from, to); err == nil {
				err = g.FS.RemoveAll(from)
			}
		}
		var le *os.LinkError
		if errors.As(err, &le) {
			err = le.Err
		}
		return about(src, err)
	})
}

func (p *Plan) copy(src, dest string) error {
	if err := absolute(src, dest); err != nil {
		return err
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("copying %s to %s in the guest", printable(src), printable(dest))
		return g.copyTree(ctx, unboot.CleanPath(src), g.into(src, dest))
	})
}

// into returns where a file goes: into a directory under its own name.
func (g *Guest) into(src, dest string) string {
	to := unboot.CleanPath(dest)
	if g.isDir(to) {
		to = path.Join(to, path.Base(unboot.CleanPath(src)))
	}
	return to
}

// copyTree copies as `cp -a`.
func (g *Guest) copyTree(ctx context.Context, from, to string) error {
	if _, err := g.FS.Lstat(from); err != nil {
		return about(from, err)
	}
	dir, err := treecopy.RealPath(g.FS, path.Dir(to))
	if err != nil {
		return about(to, err)
	}
	real, err := treecopy.RealPath(g.FS, path.Dir(from))
	if err != nil {
		return about(from, err)
	}
	from, to = path.Join(real, path.Base(from)), path.Join(dir, path.Base(to))
	if from == "." || to == from || strings.HasPrefix(to, from+"/") {
		return about(from, errors.New("cannot be copied into itself"))
	}
	return treecopy.Transfer(ctx, &treecopy.ImageSource{FS: g.FS, Root: from, Label: label}, &treecopy.ImageSink{
		FS: g.FS, Dir: dir, Name: path.Base(to), Strict: true, NoDirLinks: true, CopyLinks: true, Label: label,
		Report: g.report(),
	})
}

// label is how messages call a path of the guest.
func label(p string) string { return printable("/" + strings.TrimPrefix(p, ".")) }

// report ends a transfer with the first error. Attributes that are not kept are told of.
func (g *Guest) report() treecopy.Report {
	return treecopy.Report{
		Fail: func(name string, err error) error { return fmt.Errorf("%s: %w", name, err) },
		Warn: func(name string, err error) { g.warn("%s: %v", name, err) },
	}
}

func (p *Plan) copyIn(hostPath, dir string) error {
	if err := absolute(dir); err != nil {
		return err
	}
	if _, err := os.Lstat(hostPath); err != nil {
		return err
	}
	root, err := filepath.Abs(hostPath)
	if err != nil {
		return err
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("copying %s of the host to %s", hostPath, printable(dir))
		to, err := g.directory(dir)
		if err != nil {
			return err
		}
		// As tar(1) packs it: owners and modes, and no extended attributes.
		return treecopy.Transfer(ctx, &treecopy.HostSource{Root: root, NoXattrs: true}, &treecopy.ImageSink{
			FS: g.FS, Dir: to, Name: filepath.Base(root), CopyLinks: true, Umask: 0o022, Label: label, Report: g.report(),
		})
	})
}

// directory returns the real path of a directory that must exist.
func (g *Guest) directory(name string) (string, error) {
	real, err := treecopy.RealPath(g.FS, unboot.CleanPath(name))
	if err == nil && !g.isDir(real) {
		err = unix.ENOTDIR
	}
	return real, about(name, err)
}

func (p *Plan) tarIn(hostPath, dir string) error {
	if err := absolute(dir); err != nil {
		return err
	}
	if _, err := os.Stat(hostPath); err != nil {
		return err
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("unpacking %s into %s", hostPath, printable(dir))
		to, err := g.directory(dir)
		if err != nil {
			return err
		}
		f, err := os.Open(hostPath)
		if err != nil {
			return err
		}
		defer f.Close()
		in := bufio.NewReaderSize(f, 64<<10)
		head, _ := in.Peek(6)
		r, err := compression.NewReader(compression.Detect(head), in)
		if err != nil {
			return fmt.Errorf("%s: %w", hostPath, err)
		}
		// A tree of its own, out of which no link of the archive leads.
		sub, err := g.FS.OpenRoot(to)
		if err != nil {
			return about(dir, err)
		}
		defer sub.Close()
		src := &treecopy.TarSource{R: tarball.NewReader(bufio.NewReaderSize(r, 64<<10)), Xattrs: func(string) bool { return false }}
		err = treecopy.Transfer(ctx, src, &treecopy.ImageSink{FS: sub, Dir: ".", CopyLinks: true, Umask: 0o022, Report: g.report()})
		var archive *treecopy.ArchiveError
		if errors.As(err, &archive) {
			return fmt.Errorf("%s: %w", hostPath, archive.Err)
		}
		return err
	})
}

func (p *Plan) upload(hostPath, dest string) error {
	if err := absolute(dest); err != nil {
		return err
	}
	st, err := os.Stat(hostPath)
	if err != nil {
		return err
	}
	if st.IsDir() {
		return fmt.Errorf("%s: is a directory (--copy-in copies those)", hostPath)
	}
	return p.op(func(_ context.Context, g *Guest) error {
		to := g.into(filepath.Base(hostPath), dest)
		g.say("uploading %s to /%s", hostPath, printable(to))
		f, err := os.Open(hostPath)
		if err != nil {
			return err
		}
		defer f.Close()
		return g.upload(f, to)
	})
}

// upload replaces a file by one of the host, with its permissions and its owner.
func (g *Guest) upload(f *os.File, to string) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	m := &unboot.Metadata{Mode: st.Mode() &^ fs.ModeType, UID: -1, GID: -1}
	if st.Mode().IsRegular() {
		m.Size = st.Size()
	}
	owner := st.Sys().(*syscall.Stat_t)
	put := func(chown bool) error {
		return g.replace(to, io.Reader(f), m, func(have *unboot.Metadata) {
			have.Mode = m.Mode
			if chown {
				have.UID, have.GID = int(owner.Uid), int(owner.Gid)
			}
		})
	}
	err = put(true)
	var call *unboot.CallError
	if errors.As(err, &call) && call.Call == "chown" && errors.Is(err, unix.EPERM) {
		// The file system has no owners.
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		g.warn("/%s: %v", printable(to), call)
		err = put(false)
	}
	return err
}
