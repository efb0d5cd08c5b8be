package unboot

import (
	"context"
	"os"
	"time"

	"github.com/unboot/unboot/internal/hostdir"
	"github.com/unboot/unboot/lkl"
)

// bindPatience is how long the end of a command waits for what a program that was killed has
// written to a directory of the host, and nobody closed.
const bindPatience = 10 * time.Second

// Bind returns the mount of a directory of the host, by its host path, on a directory of a
// command's tree. The command cannot leave it, and what it finds there is served by this
// program: see docs/security.md. It is only read, unless write is set.
//
// If this program is root, owners of files are those of the host. Otherwise all that the
// command makes belongs to the user who runs this program, who is root for the command; the
// files of others are nobody's.
//
// What a program has written is on the host when it has closed the file, or close(2) has an
// error; if the program does not heed it, [Cmd.Wait] has one, too. Changes of the host
// are seen by a command that may write when it opens a file, and otherwise need not be.
func Bind(hostDir, target string, write bool) CmdMount {
	return CmdMount{Target: target, Open: func(k *lkl.Kernel) (fd int, release func() error, err error) {
		o := hostdir.Options{ReadOnly: !write}
		if os.Geteuid() != 0 {
			o.Owners = hostdir.AsRoot
		}
		d, err := hostdir.Open(hostDir, o)
		if err != nil {
			return -1, nil, err
		}
		defer d.Close()
		m, err := d.Mount(k)
		if err != nil {
			return -1, nil, err
		}
		return m.Fd, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), bindPatience)
			defer cancel()
			return m.Wait(ctx)
		}, nil
	}}
}
