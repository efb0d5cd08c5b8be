package server

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
)

// Ntfsresize resizes an NTFS: to a size in bytes, or to that of its device.
func (s *Server) Ntfsresize(ctx context.Context, a *rpc.NtfsresizeArgs) error {
	args := []string{"-P"}
	if a.Size.Set {
		if a.Size.Value <= 0 {
			return errorf("size is zero or negative")
		}
		args = append(args, "--size", fmt.Sprint(a.Size.Value))
	}
	if a.Force.Or(false) {
		args = append(args, "--force")
	}
	// It asks whether it is to be done.
	_, _, err := s.runTool(ctx, tool{
		use: hosttool.Changes, devices: []string{a.Device},
		name: "ntfsresize", args: append(args, hosttool.Arg(0)), in: strings.NewReader("y\n"),
	})
	return ofDevice(err, a.Device)
}

// NtfsresizeSize resizes an NTFS to a size in bytes.
func (s *Server) NtfsresizeSize(ctx context.Context, a *rpc.NtfsresizeSizeArgs) error {
	return s.Ntfsresize(ctx, &rpc.NtfsresizeArgs{Device: a.Device, Size: rpc.Some(a.Size)})
}

// Ntfsfix repairs some inconsistencies of an NTFS.
func (s *Server) Ntfsfix(ctx context.Context, a *rpc.NtfsfixArgs) error {
	var args []string
	if a.Clearbadsectors.Or(false) {
		args = []string{"-b"}
	}
	return s.useTool(ctx, hosttool.Changes, a.Device, nil, "ntfsfix", args...)
}

// Ntfs3gProbe returns what ntfs-3g.probe(8) says of an NTFS: 0 if it can be mounted.
func (s *Server) Ntfs3gProbe(ctx context.Context, a *rpc.Ntfs3gProbeArgs) (int, error) {
	mode := "--readonly"
	if a.Rw {
		mode = "--readwrite"
	}
	return s.toolStatus(ctx, tool{
		use: hosttool.Reads, devices: []string{a.Device}, name: "ntfs-3g.probe", args: []string{mode, hosttool.Arg(0)},
	})
}

// NtfscloneOut sends what an NTFS has in the format of ntfsclone(8).
func (s *Server) NtfscloneOut(ctx context.Context, a *rpc.NtfscloneOutArgs, out io.Writer) error {
	args := []string{"-o", "-", "--save-image"}
	for _, o := range []struct {
		v      rpc.Opt[bool]
		option string
	}{
		{a.Metadataonly, "--metadata"}, {a.Rescue, "--rescue"}, {a.Ignorefscheck, "--ignore-fs-check"},
		{a.Preservetimestamps, "--preserve-timestamps"}, {a.Force, "--force"},
	} {
		if o.v.Or(false) {
			args = append(args, o.option)
		}
	}
	_, _, err := s.runTool(ctx, tool{
		use: hosttool.Reads, devices: []string{a.Device}, name: "ntfsclone", args: append(args, hosttool.Arg(0)), out: out,
	})
	return ofDevice(err, a.Device)
}

// NtfscloneIn writes what NtfscloneOut has sent to a device.
func (s *Server) NtfscloneIn(ctx context.Context, a *rpc.NtfscloneInArgs, in io.Reader) error {
	_, _, err := s.runTool(ctx, tool{
		use: hosttool.Makes, devices: []string{a.Device},
		name: "ntfsclone", args: []string{"--overwrite", hosttool.Arg(0), "--restore-image", "-"}, in: in,
	})
	return ofDevice(err, a.Device)
}

// NtfscatI sends the content of a file of an NTFS, which is told by its inode.
func (s *Server) NtfscatI(ctx context.Context, a *rpc.NtfscatIArgs, out io.Writer) error {
	if a.Inode < 0 {
		return errorf("inode must be >= 0")
	}
	if _, mounted := s.findPlace(a.Device); mounted {
		return errorf("%s: the filesystem is mounted", a.Device)
	}
	_, _, err := s.runTool(ctx, tool{
		use: hosttool.Reads, devices: []string{a.Device},
		name: "ntfscat", args: []string{"--inode", fmt.Sprint(a.Inode), hosttool.Arg(0)}, out: out,
	})
	return ofDevice(err, a.Device)
}

// F2fsExpand makes an F2FS as large as its device.
func (s *Server) F2fsExpand(ctx context.Context, a *rpc.F2fsExpandArgs) error {
	return s.useTool(ctx, hosttool.Changes, a.Device, nil, "resize.f2fs")
}

// Wipefs erases what tells the type of what is on a device.
func (s *Server) Wipefs(ctx context.Context, a *rpc.WipefsArgs) error {
	return s.useTool(ctx, hosttool.Changes, a.Device, nil, "wipefs", "-a", "-f")
}
