package main

import "slices"

// A command is one word after "unboot". All documentation of it is made from this: its
// line in "unboot help", its usage text, its manual page and its completion, so that
// they cannot differ from each other or from what the command accepts.
type command struct {
	name string
	// aliases are other words for it, which are documented in its manual page only.
	aliases []string
	// short is its line in "unboot help".
	short string
	// synopsis has what stands after the name, one string for each form.
	synopsis []string
	// brief is the synopsis of "unboot help", if the first form is too long for it.
	brief string
	// long describes it, in paragraphs that are broken by hand. Lines that begin
	// with two blanks stay as they are in the manual page too.
	long string
	// args says what the arguments are. The last kind is that of all that follow.
	args []kind
	// verbs are the words of which the first argument is one, if its kind is kindVerb.
	verbs []string
	// options declares the options, and returns what to do when they are set.
	options func(f *flagSet) runFunc
	// parse is (*flagSet).parse, unless the command line is not one of options and
	// arguments in any order.
	parse func(f *flagSet, args []string) (rest []string, err error)
	// words are those of an expression, which find has after its options.
	words []wordGroup
	// examples are command lines.
	examples []string
	// image says that the command opens images, and so has the options for that.
	image bool
	// serves says that it goes on for others, until it is told to end: its memory counts.
	serves bool
}

// A runFunc does a command's work with the arguments that are not options.
type runFunc func(a *app, args []string) error

// noOptions is the options field of a command that has none.
func noOptions(run runFunc) func(*flagSet) runFunc {
	return func(*flagSet) runFunc { return run }
}

// commands is the table, in the order of "unboot help".
// Commands read it from app.table: "help", which is in it, could not refer to this
// variable without an initialization cycle. Tests pass tables of their own.
var commands = []*command{
	&infoCommand, &lsCommand, &catCommand, &cpCommand, &tarCommand, &findCommand, &statCommand, &dfCommand, &sumCommand,
	&writeCommand, &mkdirCommand, &rmCommand, &mvCommand, &subvolCommand,
	&execCommand, &shellCommand, &toolCommand, &customizeCommand, &sysprepCommand,
	&createCommand, &resizeCommand, &sparsifyCommand, &convertCommand, &commitCommand, &rebaseCommand, &snapshotCommand, &diffCommand, &checkCommand, &verifyCommand,
	&mountCommand, &umountCommand, &serveCommand, &nbdCommand, &runCommand, &envCommand, &hvCommand, &versionCommand, &completionCommand, &helpCommand,
}

// commandNamed returns a command by its name or alias, or nil.
func commandNamed(table []*command, name string) *command {
	i := slices.IndexFunc(table, func(c *command) bool { return c.name == name || slices.Contains(c.aliases, name) })
	if i < 0 {
		return nil
	}
	return table[i]
}

// commandNames returns the names in the table.
func commandNames(table []*command) []string {
	var names []string
	for _, c := range table {
		names = append(names, c.name)
	}
	return names
}

// flags returns the options of a command itself, without those for images.
// The variables that they would set are dropped with the set.
func (c *command) flags() []*flagSpec {
	f := &flagSet{}
	c.options(f)
	return f.flags
}

// imageFlags returns the options of every command with an image.
func imageFlags() []*flagSpec {
	f := &flagSet{}
	f.image(&openOptions{})
	return f.flags
}

// A kind says what an argument or an option's value is, so that it can be completed.
type kind uint8

const (
	kindNone      kind = iota // nothing can be said
	kindImage                 // IMAGE
	kindPath                  // IMAGE:PATH
	kindImagePath             // IMAGE[:PATH]
	kindPlace                 // IMAGE:PATH or a path on the host
	kindInside                // IMAGE:PATH, or a path in the image that was named first
	kindHost                  // a path on the host
	kindDevice                // a device of the image that is named elsewhere
	kindCommand               // a command of unboot
	kindProgram               // a program of the host
	kindShell                 // a shell that can complete
	kindVerb                  // a verb of the command
)
