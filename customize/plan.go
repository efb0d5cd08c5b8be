package customize

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/unboot/unboot/inspect"
)

// A Plan is what is to be done to guests, in order. The zero Plan is empty. It may be run
// on several guests, one after the other.
type Plan struct {
	ops       []op
	passwords []account // set at the end
	crypto    string    // of passwords; "" is the guest's own
	creds     *credentials
	noLogfile bool
	relabel   bool
}

// An op is one step.
type op func(ctx context.Context, g *Guest) error

func (p *Plan) op(do op) error {
	p.ops = append(p.ops, do)
	return nil
}

// Empty reports whether nothing was added that changes anything by itself.
func (p *Plan) Empty() bool {
	return len(p.ops) == 0 && len(p.passwords) == 0 && !p.relabel && !p.noLogfile
}

// Add adds an option of virt-customize(1), given by its name without dashes. The value of
// one that takes none is ignored. What the option needs of the host is read now. The error
// says what is wrong with the value, which it does not repeat if it may be secret.
func (p *Plan) Add(option, value string) error {
	o := optionNamed(option)
	if o == nil {
		return fmt.Errorf("no option %q", option)
	}
	return o.add(p, value)
}

// commandsFrom reads a file of options.
func (p *Plan) commandsFrom(hostPath string) error {
	data, err := readHost(hostPath)
	if err != nil {
		return err
	}
	for _, c := range parseCommands(string(data)) {
		o := optionNamed(c.name)
		switch {
		case o == nil || c.name == "commands-from-file":
			return fmt.Errorf("%s:%d: no command %q", hostPath, c.line, c.name)
		case o.Arg != "" && c.value == "":
			return fmt.Errorf("%s:%d: %s needs a value", hostPath, c.line, c.name)
		case o.Arg == "" && c.value != "":
			return fmt.Errorf("%s:%d: %s takes no value", hostPath, c.line, c.name)
		}
		if err := o.add(p, c.value); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", hostPath, c.line, c.name, err)
		}
	}
	return nil
}

// A commandLine is one of a file of options.
type commandLine struct {
	line        int // from 1
	name, value string
}

// parseCommands reads lines of a name and a value. A backslash at the end of a line joins
// it with the next one, whose indentation goes.
func parseCommands(text string) []commandLine {
	var list []commandLine
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		first := i + 1
		line := strings.TrimSuffix(strings.TrimLeft(lines[i], " \t"), "\r")
		for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
			i++
			line = strings.TrimSuffix(line, `\`) + strings.TrimSuffix(strings.TrimLeft(lines[i], " \t"), "\r")
		}
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, _ := strings.Cut(line, " ")
		list = append(list, commandLine{first, name, value})
	}
	return list
}

// Run does what was added to a guest. It ends with the first error; what came before it is
// done then.
func (p *Plan) Run(ctx context.Context, g *Guest) error {
	if g.FS.ReadOnly() {
		return errors.New("the guest is mounted read-only")
	}
	if !g.setRandomSeed() {
		g.warn("a random seed cannot be set in this guest")
	}
	emptyID := g.emptyMachineID()
	if emptyID && !g.Template {
		if err := g.setMachineID(); err != nil {
			return err
		}
	}
	err := p.run(ctx, g)
	if emptyID && g.Template {
		// What a program of the guest has set would be that of all copies.
		if terr := g.truncate("/etc/machine-id"); err == nil {
			err = terr
		}
	}
	return err
}

func (p *Plan) run(ctx context.Context, g *Guest) error {
	for _, do := range p.ops {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := do(ctx, g); err != nil {
			return err
		}
	}
	if len(p.passwords) > 0 {
		if g.System.Type == inspect.Linux {
			g.say("setting passwords")
			if err := p.setPasswords(g); err != nil {
				return err
			}
		} else {
			g.warn("passwords cannot be set in this guest")
		}
	}
	if p.relabel {
		if err := g.relabel(ctx); err != nil {
			return err
		}
	}
	if p.noLogfile {
		return g.dropLog(ctx)
	}
	return nil
}

// readHost reads a file of the host, with a bound.
func readHost(name string) ([]byte, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return nil, fmt.Errorf("%s: is a directory", name)
	}
	if st.Size() > maxText {
		return nil, fmt.Errorf("%s: is too large", name)
	}
	return os.ReadFile(name)
}

// firstLine returns the first line of a file of the host.
func firstLine(name string) (string, error) {
	data, err := readHost(name)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}
