package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/tarball"
	"github.com/unboot/unboot/internal/treecopy"
)

var tarCommand = command{
	name:     "tar",
	short:    "archive a tree, or unpack one with -x",
	synopsis: []string{"[OPTION...] IMAGE[:PATH]", "-x [OPTION...] IMAGE:PATH"},
	brief:    "IMAGE[:PATH]",
	long: `Writes a tree as a tar archive or, with -x, unpacks an archive into a directory of
the image. Only -x changes the image.

Archives preserve modes, owners (as numbers), times to the nanosecond, hard links,
holes, devices, extended attributes, access control lists and capabilities. They are
in pax format; GNU tar needs --xattrs --xattrs-include='*' to unpack all attributes.
Archives of any format are read, also compressed by gzip, bzip2, xz, zstd or lzop.

Members replace what exists, except directories that are not empty. Links to
directories in the image are followed as its own system would, those of the archive
never out of PATH. A member that could not be written completely is reported and left
out, as is the second of two names that the file system considers equal. Attributes
that the file system refuses are reported.
`,
	args: []kind{kindImagePath},
	options: func(f *flagSet) runFunc {
		opt := &tarOptions{}
		f.string(&opt.file, "of", "file", "FILE", "the archive on the host, instead of standard output or input").kind = kindHost
		f.string(&opt.file, "", "output", "FILE", "the same").kind = kindHost
		f.bool(&opt.extract, "x", "extract", "unpack")
		f.boolFunc("c", "create", "accepted and ignored: this is what happens without -x", func() {})
		f.globs(&opt.exclude)
		f.bool(&opt.oneFS, "", "one-file-system", "do not go into other file systems mounted below PATH")
		f.bool(&opt.noXattrs, "", "no-xattrs", "leave out extended attributes")
		f.bool(&opt.verbose, "v", "verbose", "list names on standard error")
		return func(a *app, args []string) error { return runTar(a, args, opt) }
	},
	examples: []string{
		"unboot tar disk.img | docker import - debian",
		"unboot tar disk.img:/etc -o etc.tar",
		"tar -c app | unboot tar -x disk.img:/opt",
	},
	image: true,
}

type tarOptions struct {
	file              string
	extract, oneFS    bool
	noXattrs, verbose bool
	exclude           []glob
}

func runTar(a *app, args []string, opt *tarOptions) error {
	if len(args) != 1 {
		return badUsage("expected one IMAGE[:PATH]")
	}
	if opt.file == "-" {
		opt.file = ""
	}
	if opt.extract {
		return a.untar(args[0], opt)
	}
	return a.tar(args[0], opt)
}

// teller returns a function that prints names for -v, or nil. They go to standard error,
// as standard output may be the archive.
func (a *app) teller(verbose bool) func(string) {
	if !verbose {
		return nil
	}
	return func(name string) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.progress != nil {
			a.progress.clear()
		}
		fmt.Fprintln(os.Stderr, quote(name))
	}
}

func (a *app) tar(arg string, opt *tarOptions) (err error) {
	out := os.Stdout
	if opt.file == "" && isTerminal(os.Stdout) {
		return badUsage("will not write an archive to a terminal (-o FILE, or a pipe)")
	}
	// Opened before the archive is created: an image that does not exist leaves the
	// old archive alone.
	o, t, err := a.target(arg, false)
	if err != nil {
		return err
	}
	root, err := o.existing(t)
	if err != nil {
		return o.aboutTarget(t, err)
	}
	st, err := o.fs.Stat(root)
	if err != nil {
		return o.about(root, err)
	}
	if opt.file != "" {
		// Creating the archive would truncate the image that it is made of.
		if st, err := os.Stat(opt.file); err == nil && a.isDisk(st) {
			return fmt.Errorf("%s: is a disk of the image", quote(opt.file))
		}
		if out, err = os.Create(opt.file); err != nil {
			return err
		}
		defer func() {
			if cerr := out.Close(); err == nil {
				err = cerr
			}
		}()
	}
	p := a.startProgress(0, opt.verbose)
	src := &treecopy.ImageSource{
		FS: o.fs, Root: root, OneFileSystem: opt.oneFS, NoXattrs: opt.noXattrs, Exclude: excluder(opt.exclude), Label: o.label,
	}
	dst := &treecopy.TarSink{W: tarball.NewWriter(out)}
	if st.IsDir() {
		// The path may be a symbolic link to the directory, which a walk
		// would not follow.
		if src.Root, err = treecopy.RealPath(o.fs, root); err != nil {
			return o.about(root, err)
		}
	} else {
		// A file is archived under its own name, and the content of a directory
		// without it.
		dst.Base = path.Base(root)
	}
	return a.transfer(src, dst, &dst.Report, p, opt.verbose)
}

func (a *app) untar(arg string, opt *tarOptions) error {
	var in io.Reader
	name, size := "standard input", int64(0)
	if opt.file != "" {
		f, err := os.Open(opt.file)
		if err != nil {
			return err
		}
		defer f.Close()
		in, name = f, opt.file
		if st, err := f.Stat(); err == nil {
			size = st.Size()
		}
	} else if isTerminal(os.Stdin) {
		return badUsage("will not read an archive from a terminal (-f FILE, or a pipe)")
	} else {
		in = a.stdin()
	}
	// Before the image is opened: one that is given no archive is not opened for writing.
	r, err := decompressed(in)
	if err != nil {
		return fmt.Errorf("%s: %w", quote(name), err)
	}
	o, t, err := a.target(arg, true)
	if err != nil {
		return err
	}
	root, err := treecopy.RealPath(o.fs, t.clean())
	if err == nil && !isDir(o, root) {
		err = unix.ENOTDIR
	}
	if err != nil {
		return o.about(t.clean(), err)
	}
	p := a.startProgress(size, opt.verbose)
	dst := &treecopy.ImageSink{FS: o.fs, Dir: root, CopyLinks: true, Umask: 0o022, Clock: o.clock, Label: o.label}
	src := &treecopy.TarSource{R: tarball.NewReader(r), Exclude: excluder(opt.exclude), Label: func(member string) string {
		return quote(name) + ": " + quote(member)
	}}
	err = a.transfer(src, dst, &dst.Report, p, opt.verbose)
	var broken *treecopy.ArchiveError
	switch {
	case errors.As(err, &broken) && broken.Member != "":
		return fmt.Errorf("%s: %w", src.Label(broken.Member), broken.Err)
	case errors.As(err, &broken):
		return fmt.Errorf("%s: %w", quote(name), broken.Err)
	case err != nil:
		return err
	}
	if src.R.More() {
		a.warn(fmt.Errorf("%s: ignored another archive that follows at byte %d", quote(name), src.R.Offset()))
	}
	// The writer of the pipe may still have padding to write, and would be killed by
	// SIGPIPE, which fails a shell's pipeline with pipefail set.
	if opt.file == "" {
		io.Copy(io.Discard, in)
	}
	return nil
}
