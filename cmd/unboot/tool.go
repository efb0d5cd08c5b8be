package main

var toolCommand = command{
	name:     "tool",
	short:    "run a program of the host on a disk",
	synopsis: []string{"[OPTION...] IMAGE [OPTION...] [--] COMMAND [ARG...]"},
	brief:    "IMAGE -- COMMAND...",
	long: `Runs a program of the host, such as lvcreate(8) or mkfs.ext4(8), on the devices of an
image, with the image's own kernel: it needs no root, and reaches no disk of the host. It
sees the devices in /dev, a /proc, a /sys, empty directories /mnt, /tmp and /run, and what
it needs of the host's programs, which it cannot change.

  unboot tool disk.img -- mkfs.ext4 -L data /dev/sda3

With --network and --network-allow it reaches the internet, as with "unboot exec". What
it writes is on the disk when it ends; volumes that it leaves active are deactivated.
Signals and the exit status are as with "unboot exec".
`,
	args: []kind{kindImage, kindProgram},
	options: func(f *flagSet) runFunc {
		t := &tooler{}
		f.bool(&t.tty, "t", "tty", "with a terminal")
		t.guestRun.options(f)
		return t.run
	},
	parse: parseProgram,
	examples: []string{
		"unboot tool disk.img -- lvcreate -n data -L 1G vg",
		"unboot tool --network disk.img -- sh <install.sh",
	},
	image: true,
}

type tooler struct{ guestRun }

func (t *tooler) run(a *app, args []string) error {
	switch {
	case len(args) == 0:
		return badUsage("no IMAGE given")
	case len(args) == 1:
		return badUsage("no COMMAND given")
	}
	stop, err := t.prepare(a)
	if err != nil {
		return err
	}
	defer stop()
	ctx, cancel := t.context(a)
	defer cancel()
	o, err := a.open(args[0], !t.readOnly)
	if err != nil {
		return err
	}
	return t.guestRun.run(a, o.img.ToolContext(ctx, args[1], args[2:]...), ctx)
}
