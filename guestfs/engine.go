package guestfs

import (
	"errors"
	"syscall"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/server"
)

// engine is unboot in this program.
type engine struct {
	*protocol.Local
	server *server.Server
}

func (g *Guestfs) launchEngine(drives []drive) (session, error) {
	c := server.Config{Network: get(g, &g.settings.network)}
	for i := range drives {
		d, err := drives[i].forEngine()
		if err != nil {
			return nil, err
		}
		c.Drives = append(c.Drives, d)
	}
	if get(g, &g.settings.verbose) {
		c.Log = g.applianceMessages()
	}
	s, err := server.New(c)
	if err != nil {
		return nil, pathError(err)
	}
	l := server.Local(s)
	l.Progress = g.progress()
	return &engine{l, s}, nil
}

// forEngine returns a drive as the server wants it.
func (d *drive) forEngine() (server.Drive, error) {
	if d.protocol != "" {
		return server.Drive{}, errorf(syscall.ENOTSUP, "%s: protocol '%s' is not available in unboot", d.path, d.protocol)
	}
	return server.Drive{
		Path: d.path, Format: d.format, ReadOnly: d.readonly, Unsafe: d.cachemode == "unsafe",
		Discard:    d.discards(),
		CopyOnRead: d.copyonread, Label: d.label, LogicalBlock: d.blocksize, PhysicalBlock: d.blocksize,
	}, nil
}

// end implements session.
func (e *engine) end(sync bool) error {
	var err error
	if sync {
		err = autosync(e)
	}
	e.Local.Close()
	return errors.Join(err, e.server.Close())
}

// pid implements session.
func (e *engine) pid() int { return 0 }
