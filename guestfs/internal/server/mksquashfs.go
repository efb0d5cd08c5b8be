package server

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// Mksquashfs sends a SquashFS of a directory. mksquashfs(1) writes to places that it chooses,
// so the file is in a directory of the host until it is complete.
func (s *Server) Mksquashfs(ctx context.Context, a *rpc.MksquashfsArgs, out io.Writer) error {
	if err := needTools("mksquashfs"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "unboot-squashfs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// "-wildcards" and "-e" are as with the daemon: patterns begin at the directory.
	args := []string{s.inTree(a.Path), "/tmp/out", "-noappend", "-wildcards", "-no-recovery", "-no-progress", "-quiet"}
	if a.Compress.Set {
		args = append(args, "-comp", a.Compress.Value)
	}
	var excluded io.Reader
	if len(a.Excludes.Value) > 0 {
		args = append(args, "-ef", "/dev/stdin")
		excluded = strings.NewReader(strings.Join(a.Excludes.Value, "\n") + "\n")
	}
	p := program{name: "mksquashfs", args: args, tree: true, in: excluded, dir: dir}
	if _, _, err := s.runProgram(ctx, p); err != nil {
		return ofDeviceText(err, a.Path)
	}
	f, err := os.Open(filepath.Join(dir, "out"))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(&bounded{ctx, out}, f)
	return err
}
