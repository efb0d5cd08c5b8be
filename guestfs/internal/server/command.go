package server

import (
	"context"
	"io"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/lkl"
)

// command runs a program of the guest as root, with the umask that is set.
func (s *Server) command(ctx context.Context, args []string, to io.Writer) (string, error) {
	if len(args) == 0 {
		return "", errorf("passed an empty list")
	}
	if !s.mounted() {
		return "", errorf("you must call 'mount' first to mount the root filesystem")
	}
	c := s.tree().CommandContext(ctx, args[0], args[1:]...)
	c.Credential = &lkl.Identity{Umask: s.umask}
	defer s.devicesChanged() // it can have written to them
	out, _, err := s.run(c, program{out: to})
	return out, err
}

// commandLines splits what a program has written into lines.
func commandLines(out string, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var l lineList
	err = eachLine(strings.NewReader(out), l.add)
	return l.list(), err
}

// shell is the command that runs a line by the guest's shell.
func shell(line string) []string { return []string{"/bin/sh", "-c", line} }

// Command runs a program of the guest and returns what it writes to standard output.
func (s *Server) Command(ctx context.Context, a *rpc.CommandArgs) (string, error) {
	return s.command(ctx, a.Arguments, nil)
}

// CommandLines is Command, with the output as lines.
func (s *Server) CommandLines(ctx context.Context, a *rpc.CommandLinesArgs) ([]string, error) {
	return commandLines(s.command(ctx, a.Arguments, nil))
}

// CommandOut is Command, with output of any size to a file.
func (s *Server) CommandOut(ctx context.Context, a *rpc.CommandOutArgs, out io.Writer) error {
	_, err := s.command(ctx, a.Arguments, out)
	return err
}

// Sh runs a line by the guest's shell and returns what it writes to standard output.
func (s *Server) Sh(ctx context.Context, a *rpc.ShArgs) (string, error) {
	return s.command(ctx, shell(a.Command), nil)
}

// ShLines is Sh, with the output as lines.
func (s *Server) ShLines(ctx context.Context, a *rpc.ShLinesArgs) ([]string, error) {
	return commandLines(s.command(ctx, shell(a.Command), nil))
}

// ShOut is Sh, with output of any size to a file.
func (s *Server) ShOut(ctx context.Context, a *rpc.ShOutArgs, out io.Writer) error {
	_, err := s.command(ctx, shell(a.Command), out)
	return err
}
