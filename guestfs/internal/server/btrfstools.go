package server

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
)

// MkfsBtrfs makes a btrfs of one or more devices.
func (s *Server) MkfsBtrfs(ctx context.Context, a *rpc.MkfsBtrfsArgs) error {
	if len(a.Devices) == 0 {
		return errorf("list of devices must be non-empty")
	}
	args := []string{"-f", "-q"}
	var err error
	number := func(option, name string, set bool, n int64) {
		switch {
		case !set || err != nil:
		case n < 0:
			err = errorf("%s must be >= 0", name)
		default:
			args = append(args, option, fmt.Sprint(n))
		}
	}
	if a.Allocstart.Set && a.Allocstart.Value < 0 {
		return errorf("allocstart must be >= 0")
	}
	// The option of mkfs.btrfs for it does nothing in new versions, and is left out.
	number("-b", "bytecount", a.Bytecount.Set, a.Bytecount.Value)
	number("-n", "leafsize", a.Leafsize.Set && !a.Nodesize.Set, int64(a.Leafsize.Value))
	number("-n", "nodesize", a.Nodesize.Set, int64(a.Nodesize.Value))
	number("-s", "sectorsize", a.Sectorsize.Set, int64(a.Sectorsize.Value))
	for _, o := range []struct {
		option, name string
		v            rpc.Opt[string]
	}{{"-d", "datatype", a.Datatype}, {"-m", "metadata", a.Metadata}} {
		if o.v.Set && !goodProfile(o.v.Value) {
			return errorf("%s not one of the allowed values", o.name)
		}
		if o.v.Set {
			args = append(args, o.option, o.v.Value)
		}
	}
	if a.Label.Set {
		args = append(args, "-L", a.Label.Value)
	}
	if err != nil {
		return err
	}
	for i := range a.Devices {
		args = append(args, hosttool.Arg(i))
	}
	_, _, err = s.runTool(ctx, tool{use: hosttool.Makes, devices: a.Devices, name: "mkfs.btrfs", args: args})
	return ofDevice(err, a.Devices[0])
}

func goodProfile(v string) bool {
	switch v {
	case "raid0", "raid1", "raid10", "raid5", "raid6", "single", "dup":
		return true
	}
	return false
}

// onBtrfs runs a tool on a device that is all of its file system.
func (s *Server) onBtrfs(ctx context.Context, use hosttool.Use, device string, ok []int, name string, args ...string) error {
	info, err := s.probe(device)
	if err != nil {
		return err
	}
	if info.Devices > 1 {
		// A tool finds the others by what it knows of the host's devices.
		return errorf("%s: not available in unboot for a filesystem of %d devices", device, info.Devices)
	}
	return s.useTool(ctx, use, device, ok, name, args...)
}

// BtrfsFsck checks a btrfs, or repairs it.
func (s *Server) BtrfsFsck(ctx context.Context, a *rpc.BtrfsFsckArgs) error {
	// Forced, it does not look for the file among the host's mounts, nor waits before a
	// repair for somebody to think it over.
	args := []string{"check", "--force"}
	use := hosttool.Reads
	if a.Superblock.Set {
		if a.Superblock.Value < 0 {
			return errorf("super block offset must be >= 0")
		}
		args = append(args, "--super", fmt.Sprint(a.Superblock.Value))
	}
	if a.Repair.Or(false) {
		args, use = append(args, "--repair"), hosttool.Changes
	}
	return s.onBtrfs(ctx, use, a.Device, nil, "btrfs", args...)
}

// BtrfsSetSeeding makes a file system a seed, or not.
func (s *Server) BtrfsSetSeeding(ctx context.Context, a *rpc.BtrfsSetSeedingArgs) error {
	seed := "0"
	if a.Seeding {
		seed = "1"
	}
	return s.onBtrfs(ctx, hosttool.Changes, a.Device, nil, "btrfstune", "-f", "-S", seed)
}

// BtrfstuneSeeding makes a file system a seed, or not.
func (s *Server) BtrfstuneSeeding(ctx context.Context, a *rpc.BtrfstuneSeedingArgs) error {
	return s.BtrfsSetSeeding(ctx, &rpc.BtrfsSetSeedingArgs{Device: a.Device, Seeding: a.Seeding})
}

// BtrfstuneEnableExtendedInodeRefs enables extended references of inodes.
func (s *Server) BtrfstuneEnableExtendedInodeRefs(ctx context.Context, a *rpc.BtrfstuneEnableExtendedInodeRefsArgs) error {
	return s.onBtrfs(ctx, hosttool.Changes, a.Device, nil, "btrfstune", "-r")
}

// BtrfstuneEnableSkinnyMetadataExtentRefs enables skinny references of metadata.
func (s *Server) BtrfstuneEnableSkinnyMetadataExtentRefs(ctx context.Context, a *rpc.BtrfstuneEnableSkinnyMetadataExtentRefsArgs) error {
	return s.onBtrfs(ctx, hosttool.Changes, a.Device, nil, "btrfstune", "-x")
}

// BtrfsRescueChunkRecover recovers the tree of chunks.
func (s *Server) BtrfsRescueChunkRecover(ctx context.Context, a *rpc.BtrfsRescueChunkRecoverArgs) error {
	return s.onBtrfs(ctx, hosttool.Changes, a.Device, nil, "btrfs", "rescue", "chunk-recover", "-y")
}

// BtrfsRescueSuperRecover recovers superblocks from good copies.
func (s *Server) BtrfsRescueSuperRecover(ctx context.Context, a *rpc.BtrfsRescueSuperRecoverArgs) error {
	recovered := []int{2}
	return s.onBtrfs(ctx, hosttool.Changes, a.Device, recovered, "btrfs", "rescue", "super-recover", "-y")
}

// BtrfsImage writes an image of the metadata of a btrfs to a file.
func (s *Server) BtrfsImage(ctx context.Context, a *rpc.BtrfsImageArgs) error {
	if len(a.Source) == 0 {
		return errorf("list of sources must be non-empty")
	}
	level := a.Compresslevel.Or(0)
	if level < 0 || level > 9 {
		return errorf("compresslevel must be between 0 and 9")
	}
	h, err := s.openPath(a.Image, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, s.createPerm())
	if err != nil {
		return perror(err, "%s", a.Image)
	}
	// The tool reads a copy, so the file may be on the same file system.
	w := &failing{w: h}
	args := []string{"-c", fmt.Sprint(level)}
	for i := range a.Source {
		args = append(args, hosttool.Arg(i))
	}
	_, _, err = s.runTool(ctx, tool{
		use: hosttool.Reads, devices: a.Source, name: "btrfs-image", args: append(args, "-"), out: w,
	})
	if w.err != nil {
		err = perror(w.err, "write: %s", a.Image)
	}
	return h.closed(ofDevice(err, a.Source[0]))
}
