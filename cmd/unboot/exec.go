package main

var execCommand = command{
	name:     "exec",
	short:    "run a program of the system in an image",
	synopsis: []string{"[OPTION...] IMAGE [OPTION...] [--] COMMAND [ARG...]"},
	brief:    "IMAGE -- COMMAND...",
	long: `Runs a program of the operating system that is in an image, as chroot(8) would, but with
the image's own kernel and without root or a virtual machine: what it does stays in the
image. It is root there, or who --user says. What it writes is on the disk when it ends.

  unboot exec disk.img -- dpkg -l

It sees the image's file systems, its devices in /dev, a /proc of its own processes, an
empty /run, and nothing of the host but standard input, output and error, and the
directories that --bind gives it. When it has ended, what it has left running is killed.

With --network it makes connections by TCP and UDP to the public internet, and asks the
host's name servers; nothing connects to it. What else it may reach, --network-allow says:
"private" for the addresses of private networks, "host" for the host itself, at its
addresses and, for services that listen on its loopback address, at 10.0.2.2. It sees
another /etc/resolv.conf while it runs. A proxy of the host's is passed on only by --env:

  unboot exec disk.img --network -e http_proxy -- apt-get install -y nginx

Standard input is read ahead: for a loop whose input is not the program's, say
"</dev/null". Signals are passed on, and the exit status is that of the program: 128 and
the number of the signal that has killed it, 127 if there is no such program, 126 if it
could not be executed.
`,
	args: []kind{kindImage, kindNone},
	options: func(f *flagSet) runFunc {
		e := &executer{}
		f.string(&e.user, "u", "user", "USER[:GROUP]", "who runs it: a name of the guest, or a number (default root)")
		f.string(&e.dir, "w", "workdir", "DIR", "working directory (default /)")
		f.bool(&e.tty, "t", "tty", "with a terminal")
		e.guestRun.options(f)
		return e.run
	},
	parse: parseProgram,
	examples: []string{
		"unboot exec disk.img -- systemctl enable ssh",
		"unboot exec -r disk.img -- sh -c 'rpm -qa | sort' >packages",
		"unboot exec disk.img --user postgres -t -- psql",
	},
	image: true,
}

type executer struct{ guestRun }

func (e *executer) run(a *app, args []string) error {
	switch {
	case len(args) == 0:
		return badUsage("no IMAGE given")
	case len(args) == 1:
		return badUsage("no COMMAND given")
	}
	stop, err := e.prepare(a)
	if err != nil {
		return err
	}
	defer stop()
	ctx, cancel := e.context(a)
	defer cancel()
	o, err := a.tree(args[0], !e.readOnly)
	if err != nil {
		return err
	}
	return e.guestRun.run(a, o.fs.CommandContext(ctx, args[1], args[2:]...), ctx)
}
