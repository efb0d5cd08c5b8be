package main

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/customize"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/registry"
)

var customizeCommand = command{
	name:     "customize",
	short:    "set up a guest: passwords, keys, files",
	synopsis: []string{"[OPTION...] IMAGE"},
	brief:    "IMAGE",
	long: `Changes the operating system in an image as virt-customize(1) does, with its
options, which are done in the order in which they are given. Passwords are set
at the end.

What only changes files runs nothing of the guest. A file that is changed keeps
its owner, permissions and labels, and has its old or its new content, whatever
happens meanwhile. A random password is printed as USER:PASSWORD, and nothing
else prints one. For others, file:FILENAME keeps them out of the list of
processes.

Programs of the guest have a network with --network, as those of exec: for --install and
the like.

The expression of --edit is Perl for one line, which is $_, as virt-edit(1) has
it. The host's perl runs it, confined, on the text alone.

Without -m, the image is to have one operating system. Changes the image.
`,
	args: []kind{kindImage, kindNone},
	options: func(f *flagSet) runFunc {
		c := &customizer{}
		c.options(f, &c.plan)
		return c.run
	},
	examples: []string{
		"unboot customize --hostname web1 --root-password random disk.img",
		"unboot customize --upload app.conf:/etc/ --firstboot-install nginx disk.img",
		"unboot customize --network --update --install nginx disk.img",
		"unboot customize --edit '/etc/dnf/dnf.conf:s/gpgcheck=1/gpgcheck=0/' disk.img",
	},
	image: true,
}

// A customizer has the options of customize, and those that sysprep shares.
type customizer struct {
	plan    customize.Plan
	images  []string
	first   string // the image, once it is known
	verbose bool
	dry     bool
	memory  int64
	network networking
}

// options declares the options of package customize, which go to a plan in the order in
// which they are given.
func (c *customizer) options(f *flagSet, plan *customize.Plan) {
	f.list(&c.images, "a", "", "IMAGE", "the image, or another disk of it").kind = kindImage
	f.bool(&c.dry, "n", "dry-run", "forget all changes at the end")
	f.bool(&c.verbose, "v", "verbose", "say what is done on standard error")
	f.boolFunc("q", "quiet", "accepted and ignored: say nothing, as is the default", func() {})
	f.size(&c.memory, "", "memory", "SIZE", "memory of programs of the guest (default 4G)")
	c.network.options(f)
	f.boolFunc("", "no-network", "programs of the guest have no network, as is the default", func() {
		c.network.on, c.network.allow = false, nil
	})
	for _, o := range customize.Options() {
		s := f.value("", o.Name, o.Arg, o.Help, func(v string) error { return plan.Add(o.Name, v) })
		s.secret, s.values = o.Secret, o.Values
		if o.HostPath {
			s.kind = kindHost
		}
	}
}

func (c *customizer) run(a *app, args []string) error {
	stop, err := c.network.start(a)
	if err != nil {
		return err
	}
	defer stop()
	o, err := c.open(a, args)
	if err != nil {
		return err
	}
	g, err := c.guest(a, o)
	if err != nil {
		return err
	}
	return o.aboutGuest(c.plan.Run(a.ctx, g))
}

// image returns the one image that is named, and attaches the other disks of -a.
func (c *customizer) image(a *app, args []string) (string, error) {
	if c.first != "" {
		return c.first, nil
	}
	images := append(append([]string(nil), args...), c.images...)
	switch {
	case len(args) > 1:
		return "", badUsage("expected one IMAGE (other disks of the guest: --add)")
	case len(images) == 0 && len(a.opts.add) > 0:
		images, a.opts.add = a.opts.add, nil
	case len(images) == 0:
		return "", badUsage("no IMAGE given")
	}
	a.opts.add = append(images[1:], a.opts.add...)
	c.first = images[0]
	return c.first, nil
}

// open opens and mounts the image.
func (c *customizer) open(a *app, args []string) (*opened, error) {
	image, err := c.image(a, args)
	if err != nil {
		return nil, err
	}
	a.opts.scratch, a.opts.programs = c.dry, c.memory
	return a.tree(image, true)
}

// guest returns the operating system of a mounted tree.
func (c *customizer) guest(a *app, o *opened) (*customize.Guest, error) {
	tree := o.fs
	system, err := (&inspect.Inspector{OpenHive: registry.Open}).Tree(tree)
	if err == nil && system.Deployment != "" {
		// OSTree keeps the system in a directory of the tree.
		tree, err = tree.OpenRoot(unboot.CleanPath(system.Deployment))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(o.path), err)
	}
	g := &customize.Guest{
		FS: tree, System: system, Runner: customize.Programs(tree, c.network.on),
		Warn:   func(text string) { a.warn(errors.New(text)) },
		Reveal: func(user, password string) { fmt.Fprintf(a.out, "%s:%s\n", user, password) },
	}
	if c.verbose {
		g.Say = func(text string) { a.warn(errors.New(text)) }
	}
	return g, nil
}

// aboutGuest puts the image's name before an error.
func (o *opened) aboutGuest(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", quote(o.path), err)
}
