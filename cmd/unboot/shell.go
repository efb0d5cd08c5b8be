package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/unboot/unboot"
)

var shellCommand = command{
	name:     "shell",
	short:    "a shell of the system in an image",
	synopsis: []string{"[OPTION...] IMAGE"},
	brief:    "IMAGE",
	long: `Starts the login shell of root, or of who --user says, of the operating system that is
in an image: see "unboot help exec". If standard input and output are a terminal, the
shell has one, too.
`,
	args: []kind{kindImage},
	options: func(f *flagSet) runFunc {
		s := &sheller{}
		f.string(&s.user, "u", "user", "USER[:GROUP]", "whose shell: a name of the guest, or a number (default root)")
		s.guestRun.options(f)
		return s.run
	},
	examples: []string{"unboot shell disk.img"},
	image:    true,
}

type sheller struct{ guestRun }

func (s *sheller) run(a *app, args []string) error {
	if len(args) != 1 {
		return badUsage("expected one IMAGE")
	}
	stop, err := s.prepare(a)
	if err != nil {
		return err
	}
	defer stop()
	ctx, cancel := s.context(a)
	defer cancel()
	o, err := a.tree(args[0], !s.readOnly)
	if err != nil {
		return err
	}
	s.tty = isTerminal(os.Stdin) && isTerminal(os.Stdout)
	c := o.fs.CommandContext(ctx, "")
	c.User = s.user
	home, shell := "/", ""
	for _, v := range c.Environ() {
		switch name, value, _ := strings.Cut(v, "="); name {
		case "HOME":
			home = value
		case "SHELL":
			shell = value
		}
	}
	if c.Path, err = findShell(o.fs, shell); err != nil {
		return fmt.Errorf("%s: %w", quote(o.path), err)
	}
	// A shell that is called by a name with this sign is a login shell.
	c.Args = []string{"-" + path.Base(c.Path)}
	if _, err := o.fs.Stat(unboot.CleanPath(home)); err == nil {
		s.dir = home
	}
	return s.guestRun.run(a, c, ctx)
}

// findShell returns the shell of a guest: that of the user, or any.
func findShell(fsys *unboot.FS, preferred string) (string, error) {
	for _, name := range []string{preferred, "/bin/bash", "/bin/sh", "/usr/bin/bash", "/usr/bin/sh", "/bin/ash", "/bin/busybox"} {
		if name == "" {
			continue
		}
		if full, err := fsys.LookPath(name, ""); err == nil {
			return full, nil
		}
	}
	return "", errors.New("the system has no shell; its files can be read and changed with ls, cat, cp, write and others (\"unboot help\")")
}
