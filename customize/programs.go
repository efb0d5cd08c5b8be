package customize

import (
	"context"
	"errors"
	"fmt"

	"github.com/unboot/unboot"
)

// Programs returns a [Runner] that runs programs of a tree with the image's kernel as their
// own: see [unboot.FS.Command]. network says whether they have one, as the image was opened:
// see [unboot.WithNetwork].
func Programs(f *unboot.FS, network bool) Runner { return programs{f, network} }

type programs struct {
	fs      *unboot.FS
	network bool
}

func (r programs) Run(ctx context.Context, p *Program) error {
	c := r.fs.CommandContext(ctx, p.Path, p.Args...)
	if len(p.Env) > 0 {
		c.Env = append(c.Environ(), p.Env...)
	}
	c.Stdin, c.Stdout, c.Stderr = p.Stdin, p.Stdout, p.Stderr
	err := c.Run()
	var exit *unboot.ExitError
	if p.Network && !r.network && errors.As(err, &exit) {
		return fmt.Errorf("%w (it had no network)", err)
	}
	return err
}
