package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/treecopy"
)

var cpCommand = command{
	name:     "cp",
	short:    "copy files out of, into and between images",
	synopsis: []string{"[OPTION...] SRC... DST"},
	brief:    "[-r] SRC... DST",
	long: `Copies files between images and the host: IMAGE:PATH is in an image, everything
else is on the host. Changes the image that DST is in.

Modes, times, extended attributes, access control lists, capabilities, hard links,
holes, symbolic links and devices are preserved; owners too, as numbers, into an image
and by root. An existing file is replaced, but never a directory by anything else or
anything else by a directory. A file that could not be copied completely into an
image is reported and removed. Of two names that the image's file system considers
equal, only the first is copied. SRC is opened and read, even if it is a pipe or a
device; with -r it is copied as what it is. A slash at the end of a name requires a
directory.

Links to directories in an image are followed as its own system would. If a file on
the host already has the name of the copy, cp does as cp(1): it writes through a
symbolic link, and into a device or a pipe. In trees that -r copies, no link of the
host or the image is followed: they cannot make cp write anywhere but below DST.
`,
	args: []kind{kindPlace},
	options: func(f *flagSet) runFunc {
		opt := &cpOptions{made: map[string]string{}}
		f.bool(&opt.recursive, "rR", "recursive", "copy directories with everything below them")
		f.bool(&opt.recursive, "a", "archive", "the same as -r, since everything is preserved anyway")
		f.boolFunc("p", "", "accepted and ignored: everything is preserved anyway", func() {})
		f.bool(&opt.asName, "T", "no-target-directory", "DST is the name of the copy, even if it is a directory")
		f.bool(&opt.keep, "n", "no-clobber", "keep files that exist")
		f.bool(&opt.remove, "", "remove-destination", "replace an existing link or device itself")
		f.value("", "owner", "USER[:GROUP]", "make the copies belong to them: numbers, or names that the image of DST knows; --owner= preserves no owner",
			func(v string) error { opt.owner = &v; return nil })
		f.globs(&opt.exclude)
		f.bool(&opt.oneFS, "", "one-file-system", "do not go into other file systems mounted below SRC")
		f.bool(&opt.verbose, "v", "verbose", "list names on standard error")
		return func(a *app, args []string) error { return runCp(a, args, opt) }
	},
	examples: []string{
		"unboot cp disk.img:/etc/fstab .",
		"unboot cp -r site disk.img:/var/www",
		"unboot cp -r old.img:/home new.img:/",
	},
	image: true,
}

type cpOptions struct {
	recursive, asName, keep bool
	verbose, oneFS          bool
	remove                  bool // replace a link or device itself, instead of writing through it
	owner                   *string
	exclude                 []glob
	// last is the sink of the previous SRC. The next one is told of it, since only the
	// file system knows which of their names it considers equal.
	last *treecopy.ImageSink
	// made has the names that files got in the directory DST, with the SRC of each: of
	// "cp a/x b/x dir", the second would replace the first.
	made map[string]string
}

func runCp(a *app, args []string, opt *cpOptions) error {
	if len(args) < 2 {
		return badUsage("expected SRC and DST")
	}
	if opt.asName && len(args) > 2 {
		return badUsage("-T takes one SRC")
	}
	places, err := a.places(args)
	if err != nil {
		return err
	}
	n := len(places) - 1
	dst := places[n]
	into := dst.isDir() && !opt.asName
	if n > 1 && !into {
		return fmt.Errorf("%s: %w, but there are several files to copy", quote(dst.arg), unix.ENOTDIR)
	}
	// The total is not known without walking all sources first.
	p := a.startProgress(0, opt.verbose)
	for _, src := range places[:n] {
		if a.ctx.Err() != nil {
			break
		}
		if err := a.copy(src, dst, into, opt, p); err != nil {
			if n == 1 {
				return err
			}
			a.fail(err)
		}
	}
	return nil
}

func (a *app) copy(src, dst *place, into bool, opt *cpOptions, p *progress) error {
	s, typ, err := a.copySource(src, opt)
	if err != nil {
		return err
	}
	if typ.IsDir() && !opt.recursive {
		return fmt.Errorf("%s: is a directory (try -r)", quote(src.arg))
	}
	if !into {
		// Checked before anything is written: copying into a directory cannot fail
		// this way.
		if err := dst.takes(typ.IsDir()); err != nil {
			return dst.about(err)
		}
	} else if !typ.IsDir() {
		if first, ok := opt.made[src.base()]; ok {
			return fmt.Errorf("%s: will not overwrite the copy of %s, which was just made", quote(src.arg), quote(first))
		}
		opt.made[src.base()] = src.arg
	}
	switch {
	case s == nil:
		return a.copyStream(src, dst, into, opt, p)
	case dst.o != nil:
		return a.copyIn(s, src, dst, into, typ.IsDir(), opt, p)
	}
	return a.copyOut(s, src, dst, into, typ, opt, p)
}

// copySource returns the source, and its file type. A symbolic link that is named is
// followed, unless trees are copied. The source is nil for a pipe or a device, whose size
// is known only at its end: those are for copyStream.
func (a *app) copySource(src *place, opt *cpOptions) (treecopy.Source, fs.FileMode, error) {
	if src.o == nil {
		stat := os.Stat
		if opt.recursive {
			stat = os.Lstat
		}
		st, err := stat(src.path)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", quote(src.path), reason(err))
		}
		if typ := st.Mode().Type(); !opt.recursive && !typ.IsRegular() && !typ.IsDir() {
			return nil, typ, nil
		}
		// The paths of all files below are made from it.
		root, err := cleanHost(src.path)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", quote(src.path), reason(err))
		}
		// "link/" means the directory, as for cp(1).
		follow := !opt.recursive || demandsDir(src.path)
		// The disks that are being written to are left out: copying an image into
		// itself would make it grow while it is read.
		return &treecopy.HostSource{
			Root: root, Follow: follow, Exclude: excluder(opt.exclude), Written: a.diskKeys(true),
			Label: func(rel string) string { return quote(filepath.Join(root, rel)) },
		}, st.Mode().Type(), nil
	}
	root, err := src.o.existing(src.t)
	if err == nil && !opt.recursive {
		root, err = treecopy.RealPath(src.o.fs, root)
	}
	if err != nil {
		return nil, 0, src.o.aboutTarget(src.t, err)
	}
	st, err := src.o.fs.Lstat(root)
	if err != nil {
		return nil, 0, src.o.about(src.path, err)
	}
	return &treecopy.ImageSource{
		FS: src.o.fs, Root: root, OneFileSystem: opt.oneFS, Exclude: excluder(opt.exclude), Label: src.o.label,
	}, st.Mode().Type(), nil
}

// copyIn copies into an image.
func (a *app) copyIn(s treecopy.Source, src, dst *place, into, isDir bool, opt *cpOptions, p *progress) error {
	o := dst.o
	dir, name := dst.path, src.base()
	switch {
	case into && name == "" && !isDir:
		return badUsage("%s has no name to copy to", quote(src.arg))
	case into:
	// With -T the content of one directory is merged into the other.
	case opt.asName && isDir && dst.isDir():
		name = ""
	default:
		// A link to a file stands for the file, as in cp(1).
		if real, err := treecopy.RealPath(o.fs, dst.path); err == nil && !isDir && !opt.remove {
			dir, name = path.Dir(real), path.Base(real)
		} else {
			dir, name = path.Dir(dst.path), path.Base(dst.path)
		}
	}
	// The sink does not follow links: those that the user names are followed here,
	// inside the image.
	if into || name == "" || dir != "." {
		real, err := treecopy.RealPath(o.fs, dir)
		if err != nil {
			return o.about(dir, err)
		}
		dir = real
	}
	if err := inItself(s, o, path.Join(dir, name)); err != nil {
		return fmt.Errorf("%s: %w", quote(src.arg), err)
	}
	owner, err := ownerOption(opt, o)
	if err != nil {
		return err
	}
	sink := &treecopy.ImageSink{
		// The umask applies to directories only that the tree leaves out, which have
		// no mode to preserve.
		FS: o.fs, Dir: dir, Name: name, After: opt.last,
		Strict: true, CopyLinks: true, Umask: 0o022, Change: owner, Keep: opt.keep, Clock: o.clock, Label: o.label,
	}
	opt.last = sink
	return a.transfer(s, sink, &sink.Report, p, opt.verbose)
}

// inItself returns an error if a directory would be copied into itself. The copy would
// not end, since the walk would find what it has just made. Both paths are resolved, so
// comparing them is enough.
func inItself(s treecopy.Source, o *opened, to string) error {
	src, ok := s.(*treecopy.ImageSource)
	if !ok || src.FS != o.fs {
		return nil
	}
	if to == src.Root || src.Root == "." || strings.HasPrefix(to+"/", src.Root+"/") {
		return errors.New("will not copy it into itself")
	}
	return nil
}

// ownerOption returns what --owner does to metadata, or nil without the option. An ID of
// -1 leaves the owner that a new file gets; o is the image that knows the names, or nil
// if the copy goes to the host, where only numbers are taken.
func ownerOption(opt *cpOptions, o *opened) (func(*unboot.Metadata), error) {
	if opt.owner == nil {
		return nil, nil
	}
	uid, gid := -1, -1
	if *opt.owner != "" {
		user, group, both := strings.Cut(*opt.owner, ":")
		var users, groups idNames
		if o != nil {
			users, groups = o.names().users, o.names().groups
		}
		var ok bool
		if uid, ok = users.idOf(user); user != "" && !ok {
			return nil, badUsage("--owner: %s is not known", quote(user))
		}
		if gid, ok = groups.idOf(group); both && !ok {
			return nil, badUsage("--owner: group %s is not known", quote(group))
		}
		if user == "" {
			uid = -1
		}
		if !both {
			gid = uid
		}
		// An empty --owner= preserves no owner: in an image, new files belong to root.
	} else if o != nil {
		uid, gid = 0, 0
	}
	return func(m *unboot.Metadata) { m.UID, m.GID = uid, gid }, nil
}
