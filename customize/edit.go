package customize

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/hosttool"
)

func (p *Plan) edit(name, expr string) error {
	if err := absolute(name); err != nil {
		return err
	}
	if _, err := hosttool.Find("perl"); err != nil {
		return err
	}
	return p.op(func(ctx context.Context, g *Guest) error {
		g.say("editing %s", printable(name))
		data, err := g.read(name)
		if err != nil {
			return err
		}
		edited, err := perlEdit(ctx, data, expr)
		if err != nil {
			return about(name, err)
		}
		return g.write(name, edited, 0o644)
	})
}

// perlEdit runs a Perl expression on each line of a text, as `virt-edit -e` does: $_ is the
// line with its end, which the expression may change, and $lineno counts from 1.
//
// The text comes from a guest, so perl is confined as the other tools of the host are.
func perlEdit(ctx context.Context, text []byte, expr string) ([]byte, error) {
	w, err := hosttool.New()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	// In a file, since the host shows its users the arguments of programs. A newline ends
	// a comment in the expression.
	const name = "edit.pl"
	script := "our $lineno = 0;\nbinmode STDIN; binmode STDOUT;\nwhile (defined($_ = <STDIN>)) {\n$lineno++;\n" + expr +
		"\n;\nprint STDOUT $_ or die \"write: $!\\n\";\n}\nclose STDOUT or die \"write: $!\\n\";\n"
	f, err := w.File(name, 0)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(f, script); err != nil {
		return nil, err
	}
	out := &bounded{max: maxText}
	_, err = w.Run(ctx, hosttool.Command{
		Name: "perl", Args: []string{name}, Use: hosttool.Reads, In: bytes.NewReader(text), Out: out,
		Names: map[string]string{filepath.Join(w.Dir(), name): "the expression", name: "the expression"},
	})
	if out.full {
		return nil, unix.EFBIG
	}
	return out.Bytes(), err
}

// A bounded buffer fails when it would have more than max bytes.
type bounded struct {
	bytes.Buffer
	max  int
	full bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.max {
		b.full = true
		return 0, errors.New("too much output")
	}
	return b.Buffer.Write(p)
}
