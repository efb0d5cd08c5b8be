package main

import (
	"fmt"
)

const about = `unboot lists, reads, writes and archives files in disk images and block devices.`

// naming explains how files are named on the command line, and what is never changed.
const naming = `A file in an image is named IMAGE:PATH. A command opens the image for writing only if
its description says so; no other changes a byte of it, not even to replay a journal.
`

// epoch explains an environment variable that applies to every command that writes.
const epoch = `If SOURCE_DATE_EPOCH is set in the environment, to a time in seconds since 1970, the
image sees that time as now: the same commands then turn the same image into the same
image, byte for byte.
`

var overviewExamples = []string{
	"unboot ls -l disk.img:/etc",
	"unboot cp disk.img:/etc/fstab .",
}

var helpCommand = command{
	name: "help", aliases: []string{"-h", "--help"},
	short:    "more about a command",
	synopsis: []string{"[COMMAND]", "--man DIR"},
	brief:    "COMMAND",
	long: `Prints what there is to know about a command, about all of them in short, or about
the options that all commands with an image have: unboot help options.
`,
	args: []kind{kindCommand, kindNone},
	options: func(f *flagSet) runFunc {
		h := &helper{}
		f.string(&h.man, "", "man", "DIR", "write all manual pages into a directory instead").kind = kindHost
		return h.run
	},
}

type helper struct{ man string }

func (h *helper) run(a *app, args []string) error {
	switch {
	case h.man != "" && len(args) > 0:
		return badUsage("--man takes no COMMAND")
	case h.man != "":
		return writeManual(h.man, a.table)
	case len(args) == 0:
		_, err := a.out.WriteString(overview(a.table))
		return err
	case len(args) > 1:
		return badUsage("expected one COMMAND")
	}
	if args[0] == optionsTopic {
		_, err := a.out.WriteString(imageOptions())
		return err
	}
	c := commandNamed(a.table, args[0])
	if c == nil {
		return noCommand(a.table, args[0])
	}
	_, err := a.out.WriteString(c.usageText())
	return err
}

// noCommand is the error for a word that is not a command.
func noCommand(table []*command, name string) error {
	return fmt.Errorf("no command %s%s", quote(name), didYouMean(nearest(name, commandNames(table))))
}
