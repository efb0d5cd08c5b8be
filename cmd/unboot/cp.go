package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/desttree"
)

const usageCp = `usage: unboot cp [-r] SRC... DST

Copies files between images and the host; IMAGE:PATH is in an image, everything
else is on the host. Changes the image that DST is in.

Modes, times, extended attributes, access control lists, capabilities, hard links,
holes, symbolic links and devices are kept; owners too, as numbers, into an image
and by root. A file that exists is replaced; a directory and something else do not
replace each other. What could not be copied whole into an image is reported and
removed; of two names that its file system takes for one, the second is not copied.

Links to directories in an image are followed as its own system would. On the host,
nothing of an image is followed: its symbolic links cannot make cp write anywhere but
below DST.

  -r, -R, -a         directories with all below them
  -T                 DST is the copy's name, even if it is a directory
  -n, --no-clobber   keep what exists
      --owner U[:G]  make the copies belong to them: numbers, or names that the
                     image of DST knows; --owner= keeps no owner
      --exclude P    leave out what matches: a path in the tree, or a name
      --one-file-system  do not go into other file systems mounted below SRC
  -v, --verbose      list names on standard error

  unboot cp disk.img:/etc/fstab .
  unboot cp -r site disk.img:/var/www
  unboot cp -r old.img:/home new.img:/
`

type cpOptions struct {
	recursive, asName, keep bool
	verbose, oneFS          bool
	owner                   *string
	exclude                 []glob
	names                   *desttree.Names   // what was written into the image
	made                    map[string]string // names of files made in a directory, and of what
}

// A place is one end of a copy: in an image, or on the host.
type place struct {
	arg  string
	t    target
	o    *opened // nil on the host
	path string  // clean path in the FS, or host path
}

func runCp(a *app, args []string) error {
	opt := cpOptions{made: map[string]string{}}
	f := a.flags()
	f.bool(&opt.recursive, 'r', "recursive")
	f.bool(&opt.recursive, 'R', "")
	f.bool(&opt.recursive, 'a', "archive")
	f.boolFunc('p', "", func() {}) // all is kept anyway
	f.bool(&opt.asName, 'T', "no-target-directory")
	f.bool(&opt.keep, 'n', "no-clobber")
	f.bool(&opt.verbose, 'v', "verbose")
	f.bool(&opt.oneFS, 0, "one-file-system")
	f.value(0, "owner", func(v string) error { opt.owner = &v; return nil })
	f.value(0, "exclude", func(v string) error {
		opt.exclude = append(opt.exclude, newGlob(v, false))
		return nil
	})
	args, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(args) < 2 {
		return badUsage("want SRC and DST")
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
		return fmt.Errorf("%s: %w, and there are several to copy", quote(dst.arg), unix.ENOTDIR)
	}
	p := a.startProgress(0, opt.verbose)
	for _, src := range places[:n] {
		if a.ctx.Err() != nil {
			break
		}
		if err := a.copy(src, dst, into, &opt, p); err != nil {
			if n == 1 {
				return err
			}
			a.fail(err)
		}
	}
	return nil
}

// places finds out which arguments are in images, and opens those: the one
// that is written first, since an image is opened once.
func (a *app) places(args []string) ([]*place, error) {
	var places []*place
	images := 0
	for _, arg := range args {
		p := &place{arg: arg, path: arg}
		// A host path of the same name would have to be given with "./".
		if t, ok := existingTarget(arg); ok && t.path != "" {
			p.t = t
			images++
		}
		places = append(places, p)
	}
	if images == 0 {
		for _, arg := range args {
			if image, _, ok := strings.Cut(arg, ":"); ok {
				return nil, fmt.Errorf("%s: %w", quote(image), fs.ErrNotExist)
			}
		}
		return nil, badUsage("nothing is in an image (IMAGE:PATH)")
	}
	last := places[len(places)-1]
	for _, p := range append([]*place{last}, places[:len(places)-1]...) {
		if p.t.image == "" {
			if last.t.image == "" && p != last {
				return nil, badUsage("%s and %s are both on the host", quote(p.arg), quote(last.arg))
			}
			continue
		}
		o, err := a.tree(p.t.image, p == last)
		if err != nil {
			return nil, err
		}
		p.o, p.path = o, p.t.clean()
	}
	return places, nil
}

func (p *place) isDir() bool {
	if p.o != nil {
		return isDir(p.o, p.path)
	}
	st, err := os.Stat(p.path)
	return err == nil && st.IsDir()
}

// base is the name that a copy gets in a directory: "" if what is in the source
// goes there, as with "dir/." and the root.
func (p *place) base() string {
	arg := p.arg
	if p.o != nil {
		arg = p.t.path
	}
	b := path.Base(arg)
	if b == "." || b == "/" || b == ".." {
		return ""
	}
	return b
}

func (a *app) copy(src, dst *place, into bool, opt *cpOptions, p *progress) error {
	s, isDir, err := a.copySource(src, opt)
	if err != nil {
		return err
	}
	if isDir && !opt.recursive {
		return fmt.Errorf("%s: is a directory (try -r)", quote(src.arg))
	}
	if into && !isDir {
		if first, ok := opt.made[src.base()]; ok {
			return fmt.Errorf("%s: will not overwrite the copy of %s, which was just made", quote(src.arg), quote(first))
		}
		opt.made[src.base()] = src.arg
	}
	if dst.o != nil {
		return a.copyIn(s, src, dst, into, isDir, opt, p)
	}
	return a.copyOut(s, src, dst, into, isDir, opt, p)
}

// copySource makes the source. A symbolic link that is named is followed,
// unless trees are copied.
func (a *app) copySource(src *place, opt *cpOptions) (source, bool, error) {
	if src.o == nil {
		stat := os.Stat
		if opt.recursive {
			stat = os.Lstat
		}
		st, err := stat(src.path)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", quote(src.path), reason(err))
		}
		follow := !opt.recursive || strings.HasSuffix(src.path, "/") || strings.HasSuffix(src.path, "/.")
		return &hostSource{root: filepath.Clean(src.path), follow: follow, exclude: opt.exclude, links: linkTable{}}, st.IsDir(), nil
	}
	root := src.path
	var err error
	if !opt.recursive || strings.HasSuffix(src.t.path, "/") || strings.HasSuffix(src.t.path, "/.") {
		root, err = realPath(src.o.fs, root)
	}
	if err != nil {
		return nil, false, src.o.about(src.path, err)
	}
	st, err := src.o.fs.Lstat(root)
	if err != nil {
		return nil, false, src.o.about(src.path, err)
	}
	return &imageSource{a: a, o: src.o, root: root, oneFS: opt.oneFS, exclude: opt.exclude, links: linkTable{}}, st.IsDir(), nil
}

// copyIn copies into an image.
func (a *app) copyIn(s source, src, dst *place, into, isDir bool, opt *cpOptions, p *progress) error {
	o := dst.o
	dir, name := dst.path, src.base()
	switch {
	case into && name == "" && !isDir:
		return badUsage("%s has no name to copy to", quote(src.arg))
	case into:
	case opt.asName && isDir && dst.isDir():
		name = ""
	default:
		// A link to a file stands for the file, as in cp(1).
		if real, err := realPath(o.fs, dst.path); err == nil && !isDir {
			dir, name = path.Dir(real), path.Base(real)
		} else {
			dir, name = path.Dir(dst.path), path.Base(dst.path)
		}
	}
	if into || name == "" || dir != "." {
		real, err := realPath(o.fs, dir)
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
	sink := newImageSink(a, o, dir, name, opt.names, p)
	defer sink.close()
	opt.names = sink.names // another source may have a name of this one
	sink.strict, sink.owner, sink.keep, sink.tell = true, owner, opt.keep, a.teller(opt.verbose)
	return transfer(a.ctx, s, sink)
}

// inItself refuses to copy a directory into itself, which would not end.
func inItself(s source, o *opened, to string) error {
	src, ok := s.(*imageSource)
	if !ok || src.o != o {
		return nil
	}
	if to == src.root || src.root == "." || strings.HasPrefix(to+"/", src.root+"/") {
		return errors.New("will not copy it into itself")
	}
	return nil
}

// copyOut copies to the host.
func (a *app) copyOut(s source, src, dst *place, into, isDir bool, opt *cpOptions, p *progress) error {
	dir, name := dst.path, src.base()
	switch {
	case into && name == "" && !isDir:
		return badUsage("%s has no name to copy to", quote(src.arg))
	case into:
	case opt.asName && isDir && dst.isDir():
		name = ""
	default:
		clean := filepath.Clean(dst.path)
		dir, name = filepath.Dir(clean), filepath.Base(clean)
		if strings.HasSuffix(dst.path, "/") && !isDir {
			return fmt.Errorf("%s: %w", quote(dst.path), unix.ENOTDIR)
		}
		if st, err := os.Stat(dst.path); err == nil && !st.Mode().IsRegular() && !st.IsDir() && !isDir {
			return a.copyToDevice(s, dst.path)
		}
	}
	root, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(dir), reason(err))
	}
	defer root.Close()
	sink := &hostSink{a: a, root: root, name: name, where: dir, p: p, keep: opt.keep, tell: a.teller(opt.verbose)}
	sink.strip.a = a
	sink.chown = os.Geteuid() == 0 && (opt.owner == nil || *opt.owner != "")
	defer sink.close()
	if sink.owner, err = ownerOption(opt, nil); err != nil {
		return err
	}
	return transfer(a.ctx, s, sink)
}

// copyToDevice writes the content of a file to what is there, such as
// /dev/stdout.
func (a *app) copyToDevice(s source, to string) error {
	src, ok := s.(*imageSource)
	if !ok {
		return badUsage("%s is no place for it", quote(to))
	}
	w, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer w.Close()
	f, err := src.o.fs.Open(src.root)
	if err != nil {
		return src.o.about(src.root, err)
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// ownerOption makes of --owner what it does to metadata.
func ownerOption(opt *cpOptions, o *opened) (func(*unboot.Metadata), error) {
	if opt.owner == nil {
		return nil, nil
	}
	uid, gid := -1, -1
	if *opt.owner != "" {
		user, group, both := strings.Cut(*opt.owner, ":")
		users, groups := map[uint32]string{}, map[uint32]string{}
		if o != nil {
			users, groups = o.names().users, o.names().groups
		}
		var ok bool
		if uid, ok = idOf(users, user); user != "" && !ok {
			return nil, badUsage("--owner: %s is not known", quote(user))
		}
		if gid, ok = idOf(groups, group); both && !ok {
			return nil, badUsage("--owner: group %s is not known", quote(group))
		}
		if user == "" {
			uid = -1
		}
		if !both {
			gid = uid
		}
	} else if o != nil {
		uid, gid = 0, 0
	}
	return func(m *unboot.Metadata) { m.UID, m.GID = uid, gid }, nil
}
