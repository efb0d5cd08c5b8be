package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

var subvolCommand = command{
	name: "subvol", aliases: []string{"subvolume"},
	short: "subvolumes and snapshots of btrfs",
	synopsis: []string{
		"list [--json] IMAGE[:PATH]", "show [--json] IMAGE:PATH", "create IMAGE:PATH...", "snapshot [-r] IMAGE:PATH PATH",
		"delete IMAGE:PATH...", "get-default IMAGE[:PATH]", "set-default IMAGE:PATH", "property IMAGE:PATH ro [true|false]",
		"send [-p PATH] [-c PATH]... [OPTION...] IMAGE:PATH", "receive [-e] [-f FILE] IMAGE:PATH",
	},
	brief: "VERB IMAGE:PATH",
	long: `Does with the subvolumes of a btrfs what btrfs(8) does, by the same words. A PATH is
one in what is mounted, which may be a subvolume itself; all of them are to be had with
  -m DEVICE:/:subvolid=5

list prints the subvolumes that there are, as paths from the top level; show prints one.
snapshot makes a snapshot, read-only with -r; if its PATH is a directory, it is made there
under its own name. delete deletes a subvolume with its files. get-default and set-default
are about the subvolume that is mounted if none is named. property prints or sets whether
a subvolume is read-only.

send writes a read-only subvolume to standard output as the stream that "btrfs send" makes
of it, whole or as the difference to a parent. receive makes subvolumes in a directory of
what it reads from standard input: streams of send or of "btrfs send", up to the end.

create, snapshot, delete, set-default, property with a value, and receive change the image.
`,
	args:  []kind{kindVerb, kindPath, kindInside},
	verbs: subvolVerbs,
	options: func(f *flagSet) runFunc {
		s := &subvolumes{}
		f.bool(&s.json, "", "json", "list, show: print a JSON list")
		f.bool(&s.readOnly, "r", "read-only", "snapshot: make it read-only")
		f.string(&s.parent, "p", "parent", "PATH", "send: the difference to this subvolume, which the receiver has").kind = kindInside
		f.list(&s.clones, "c", "clone", "PATH", "send: this one is there too, to share extents with").kind = kindInside
		f.integer(&s.protocol, "", "proto", "N", "send: the version of the stream, 1 by default").among("1", "2")
		f.bool(&s.compressed, "", "compressed-data", "send: leave extents compressed; needs --proto 2")
		f.bool(&s.noData, "", "no-data", "send: leave out the content of files")
		f.bool(&s.oneStream, "e", "end", "receive: stop after the first stream")
		f.string(&s.file, "f", "file", "FILE", "send, receive: the stream on the host").kind = kindHost
		return s.run
	},
	examples: []string{
		"unboot subvol list disk.img",
		"unboot subvol snapshot -r disk.img:/home /home-1",
		"unboot subvol send disk.img:/home-1 | btrfs receive /backup",
	},
	image: true,
}

var subvolVerbs = []string{
	"list", "show", "create", "snapshot", "delete", "get-default", "set-default", "property", "send", "receive",
}

// subvolumes has the options of subvol.
type subvolumes struct {
	json, readOnly, compressed, noData, oneStream bool
	parent, file                                  string
	clones                                        []string
	protocol                                      int
}

// run does what the first argument says.
func (s *subvolumes) run(a *app, args []string) error {
	if len(args) == 0 {
		return badUsage("expected one of %s", strings.Join(subvolVerbs, ", "))
	}
	verb, args := args[0], args[1:]
	if len(args) == 0 {
		return badUsage("no IMAGE:PATH given")
	}
	one := len(args) == 1
	switch {
	case verb == "list" && one:
		return s.list(a, args[0])
	case verb == "show" && one:
		return s.show(a, args[0])
	case verb == "create" || verb == "delete":
		return s.each(a, verb, args)
	case verb == "snapshot" && len(args) == 2:
		return s.snapshot(a, args[0], args[1])
	case verb == "get-default" && one:
		return s.getDefault(a, args[0])
	case verb == "set-default" && one:
		return change(a, args[0], (*unboot.FS).SetDefaultSubvolume)
	case verb == "property" && (len(args) == 2 || len(args) == 3) && args[1] == "ro":
		return s.property(a, args[0], args[2:])
	case verb == "send" && one:
		return s.send(a, args[0])
	case verb == "receive" && one:
		return s.receive(a, args[0])
	case slices.Contains(subvolVerbs, verb):
		return badUsage("these are not the arguments of %s", verb)
	}
	return badUsage("no %s of subvolumes%s", quote(verb), didYouMean(nearest(verb, subvolVerbs)))
}

// change does one thing with a subvolume of an image that is opened for writing.
func change(a *app, arg string, do func(f *unboot.FS, name string) error) error {
	o, t, err := a.target(arg, true)
	if err != nil {
		return err
	}
	name, err := o.existing(t)
	if err == nil {
		err = do(o.fs, name)
	}
	return o.aboutTarget(t, notBtrfs(err))
}

func (s *subvolumes) each(a *app, verb string, args []string) error {
	for _, arg := range args {
		o, t, err := a.target(arg, true)
		if err != nil {
			return err
		}
		name := t.clean()
		switch {
		case endsInDots(t.path):
			err = errDots
		case verb == "create":
			err = o.fs.CreateSubvolume(name)
		default:
			err = o.fs.DeleteSubvolume(name)
		}
		a.fail(o.about(name, notBtrfs(err)))
	}
	return nil
}

func (s *subvolumes) snapshot(a *app, arg, dest string) error {
	o, t, err := a.target(arg, true)
	if err != nil {
		return err
	}
	source, err := o.existing(t)
	if err != nil {
		return o.aboutTarget(t, err)
	}
	// As for mv, the path may be one in the image or have the image before it.
	if d, ok := existingTarget(dest); ok && d.path != "" {
		if o2, err := a.open(d.image, true); err != nil || o2 != o {
			return badUsage("%s and %s are two images (try send and receive)", quote(arg), quote(dest))
		}
		dest = d.path
	}
	to := unboot.CleanPath(dest)
	if isDir(o, to) {
		if source == "." {
			return o.about(to, unix.EEXIST)
		}
		to = path.Join(to, path.Base(source))
	}
	if err := o.fs.SnapshotSubvolume(source, to, s.readOnly); err != nil {
		return o.about(source, fmt.Errorf("snapshot %s: %w", quote(display(to)), notBtrfs(reason(err))))
	}
	return nil
}

func (s *subvolumes) property(a *app, arg string, value []string) error {
	if len(value) == 0 {
		v, err := oneSubvolume(a, arg)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "ro=%t\n", v.ReadOnly)
		return err
	}
	if value[0] != "true" && value[0] != "false" {
		return badUsage("ro is true or false, not %s", quote(value[0]))
	}
	return change(a, arg, func(f *unboot.FS, name string) error { return f.SetSubvolumeReadOnly(name, value[0] == "true") })
}

// notBtrfs says of an ioctl that a file system does not know what that means.
func notBtrfs(err error) error {
	if reason(err) == unix.ENOTTY {
		return fmt.Errorf("%w: not a btrfs", unix.ENOTTY)
	}
	return err
}
