package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/sysprep"
)

var sysprepCommand = command{
	name:     "sysprep",
	short:    "make a template of a guest",
	synopsis: []string{"[OPTION...] IMAGE", "--list-operations"},
	brief:    "IMAGE",
	long: `Makes a template of the operating system in an image, as virt-sysprep(1) does, by
its operations: removes SSH host keys, logs, leases, the machine ID and more, and
then does what the options of "unboot customize" say, which all are options here
too.

Nothing is overwritten: what is removed may still be found on the disk.

Without -m, the image is to have one operating system. Changes the image.
`,
	args: []kind{kindImage, kindNone},
	options: func(f *flagSet) runFunc {
		p := &preparer{plan: sysprep.Plan{Enabled: sysprep.Defaults()}}
		f.bool(&p.list, "", "list-operations", "list the operations; an asterisk marks those that are done by default")
		f.value("", "operations", "LIST", "do these: names with commas between them, defaults, all, and -NAME for all but that", p.operations)
		f.value("", "enable", "LIST", "do only these operations", func(list string) error { p.chosen = true; return p.plan.Enabled.Enable(list) })
		f.value("", "keep-user-accounts", "USERS", "do not let user-account remove these users", names(&p.plan.KeepUsers))
		f.value("", "remove-user-accounts", "USERS", "let user-account remove only these users", names(&p.plan.RemoveUsers))
		f.string(&p.mountOptions, "", "mount-options", "MP:OPTS[;MP:OPTS..]", "mount what belongs to directories of the guest with these options")
		f.value("", "script", "SCRIPT", "not done: an error that says how a script of the host can be run", func(string) error {
			return errors.New("a script of the host needs a mount on the host: unboot run -- guestmount -a IMAGE -i DIRECTORY")
		})
		p.customizer.options(f, &p.plan.Customize)
		return p.run
	},
	examples: []string{
		"unboot sysprep disk.img",
		"unboot sysprep --operations defaults,-tmp-files,user-account disk.img",
		"unboot sysprep --enable ssh-hostkeys,customize --hostname template disk.img",
	},
	image: true,
}

// A preparer has the options of sysprep.
type preparer struct {
	customizer
	plan         sysprep.Plan
	chosen       bool // an option has said which operations
	list         bool
	mountOptions string
}

// operations is --operations: the first one begins with none.
func (p *preparer) operations(list string) error {
	if !p.chosen {
		p.chosen = true
		clear(p.plan.Enabled)
	}
	return p.plan.Enabled.Change(list)
}

// names takes a list of names with commas between them.
func names(to *[]string) func(string) error {
	return func(list string) error {
		for name := range strings.SplitSeq(list, ",") {
			if name == "" {
				return errors.New("an empty name")
			}
			*to = append(*to, name)
		}
		return nil
	}
}

func (p *preparer) run(a *app, args []string) error {
	if p.list {
		for _, o := range sysprep.Operations() {
			mark := " "
			if o.Default {
				mark = "*"
			}
			fmt.Fprintf(a.out, "%s %s %s\n", o.Name, mark, o.Heading)
		}
		return nil
	}
	stop, err := p.network.start(a)
	if err != nil {
		return err
	}
	defer stop()
	if p.mountOptions != "" {
		if err := p.mounts(a, args); err != nil {
			return err
		}
	}
	o, err := p.open(a, args)
	if err != nil {
		return err
	}
	g, err := p.guest(a, o)
	if err != nil {
		return err
	}
	if err := p.plan.Run(a.ctx, g); err != nil {
		return o.aboutGuest(err)
	}
	if p.plan.Enabled.Has("fs-uuids") {
		if err := o.fs.Unmount(); err != nil {
			return o.aboutGuest(err)
		}
		o.fs = nil
	}
	return o.aboutGuest(p.plan.Devices(a.ctx, o.img, g.Warn))
}

// mounts replaces the mounts that would be found by the same ones with the options of
// --mount-options, as if -m had named them.
func (p *preparer) mounts(a *app, args []string) error {
	options := map[string]string{}
	for pair := range strings.SplitSeq(p.mountOptions, ";") {
		dir, list, ok := strings.Cut(pair, ":")
		if !ok || !strings.HasPrefix(dir, "/") {
			return badUsage("--mount-options: %q is not MOUNTPOINT:OPTIONS", pair)
		}
		options[dir] = list
	}
	if len(a.opts.mounts) > 0 {
		return badUsage("--mount-options is not for mounts by -m, which have options of their own")
	}
	image, err := p.image(a, args)
	if err != nil {
		return err
	}
	a.opts.scratch, a.opts.programs = p.dry, p.memory
	o, err := a.open(image, true)
	if err != nil {
		return err
	}
	in, err := o.img.Inspect(inspect.Find)
	defer in.Close()
	roots := in.Installed()
	if len(roots) != 1 {
		return o.aboutGuest(errors.Join(err, fmt.Errorf("--mount-options needs an image with one operating system, and there are %d", len(roots))))
	}
	for _, m := range roots[0].Mounts {
		device, subvolume := inspect.ParseMountable(m.Device, func(name string) bool {
			_, err := o.img.Device(name)
			return err == nil
		})
		if device == "" {
			continue
		}
		list := options[m.Dir]
		if subvolume != "" {
			list = strings.Trim("subvol="+subvolume+","+list, ",")
		}
		a.opts.mounts = append(a.opts.mounts, device+":"+m.Dir+":"+list)
	}
	return nil
}
