package main

import (
	"embed"
	"slices"
	"strconv"
	"strings"
)

// The scripts only hand over the command line: the answers come from this program, so
// that they are those of the version that is installed, and the same in each shell.
//
//go:embed completion
var completionScripts embed.FS

var shells = []string{"bash", "zsh", "fish"}

var completionCommand = command{
	name:     "completion",
	short:    "completion for bash, zsh or fish",
	synopsis: []string{"bash|zsh|fish", "--answer SHELL -- WORD..."},
	brief:    "SHELL",
	long: `Prints a script that makes a shell complete commands, options and their values, images,
and paths inside images:

  unboot completion bash > ~/.local/share/bash-completion/completions/unboot
  unboot completion zsh  > _unboot, in a directory of $fpath
  unboot completion fish > ~/.config/fish/completions/unboot.fish

To look into an image, the scripts start unboot with the options for the image that
stand on the command line, and nothing else.
`,
	args: []kind{kindShell, kindNone},
	options: func(f *flagSet) runFunc {
		c := &completionPrinter{}
		f.string(&c.answer, "", "answer", "SHELL", "complete a command line for a shell, which is what its script calls").among(shells...)
		return c.run
	},
}

type completionPrinter struct{ answer string }

func (c *completionPrinter) run(a *app, args []string) error {
	if c.answer != "" {
		return answerShell(a, c.answer, args)
	}
	if len(args) != 1 || !slices.Contains(shells, args[0]) {
		return badUsage("expected one of %s", strings.Join(shells, ", "))
	}
	script, err := completionScripts.ReadFile("completion/unboot." + args[0])
	if err != nil {
		return err
	}
	_, err = a.out.Write(script)
	return err
}

// answerShell prints the candidates for a command line.
func answerShell(a *app, shell string, args []string) error {
	switch shell {
	case "bash":
		if len(args) != 3 {
			return badUsage("expected the characters that break words, and the line before and after the cursor")
		}
		answerBash(a, args[0], args[1], args[2])
		return nil
	case "zsh", "fish":
	default:
		return badUsage("expected one of %s", strings.Join(shells, ", "))
	}
	if len(args) == 0 {
		return badUsage("expected the index of the current word")
	}
	i, err := strconv.Atoi(args[0])
	if words := args[1:]; err == nil && i >= 0 && i < len(words) {
		for _, c := range complete(a, words[:i], words[i], words[i+1:]) {
			a.out.WriteString(c.record(shell))
		}
		return nil
	}
	return badUsage("%s is not the index of a word", quote(args[0]))
}

// record returns a candidate in the format of a shell's script. That of zsh is ended by
// NUL bytes, and so has room for any name. fish reads a candidate per line, with a tab
// before its description: a name with either cannot be offered, and the result is "".
func (c *candidate) record(shell string) string {
	if shell == "zsh" {
		// The flag is a field of its own: zsh adds the blank itself, and has to be
		// told when not to.
		more := ""
		if c.more {
			more = "+"
		}
		return more + "\x00" + c.text + "\x00" + c.help + "\x00"
	}
	if strings.ContainsAny(c.text, "\n\t") {
		return ""
	}
	if c.help == "" {
		return c.text + "\n"
	}
	return c.text + "\t" + c.help + "\n"
}
