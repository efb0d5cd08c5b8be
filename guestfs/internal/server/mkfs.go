package server

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/internal/lazyregexp"
)

// A maker says how the mkfs of a type is told what it has to know.
type maker struct {
	always    []string // to do it at all, on a file, and quickly
	label     string
	blocks    func(size, sector int) []string // "" if there is no such option
	sectors   string
	features  string
	inode     string
	partition func(d *unboot.Device, sector int) []string // where it begins on the disk
	only512   bool                                        // on a file it cannot be told of other sectors
}

func option(o string) func(size, sector int) []string {
	return func(size, _ int) []string { return []string{o, fmt.Sprint(size)} }
}

var ext = maker{always: []string{"-F", "-q"}, label: "-L", blocks: option("-b"), features: "-O", inode: "-I"}

// makers are the types of which more is known than the name of the program.
var makers = map[string]maker{
	"ext2": ext, "ext3": ext, "ext4": ext, "ext4dev": ext,
	"xfs": {
		always: []string{"-f", "-q"}, label: "-L",
		blocks:  func(n, _ int) []string { return []string{"-b", fmt.Sprint("size=", n)} },
		inode:   "-isize=",
		sectors: "-ssize=",
	},
	"btrfs": {always: []string{"-f", "-q"}, label: "-L", blocks: option("-s"), features: "-O"},
	"vfat": {
		always: []string{"-I"}, label: "-n", sectors: "-S",
		blocks: func(n, sector int) []string { return []string{"-s", fmt.Sprint(n / sector)} },
		partition: func(d *unboot.Device, sector int) []string {
			return []string{"-h", fmt.Sprint(d.Partition.Start / int64(sector))}
		},
	},
	"ntfs": {
		always: []string{"-F", "-Q", "-q"}, label: "-L", blocks: option("-c"), sectors: "-s",
		partition: func(d *unboot.Device, sector int) []string {
			return []string{"-p", fmt.Sprint(d.Partition.Start / int64(sector)), "-H", "255", "-S", "63"}
		},
	},
	"exfat":    {label: "-L", blocks: option("-c"), only512: true},
	"f2fs":     {always: []string{"-f", "-q"}, label: "-l", features: "-O"},
	"reiserfs": {always: []string{"-f", "-f", "-q"}, label: "-l", blocks: option("-b")},
	"jfs":      {always: []string{"-q"}, label: "-L"},
	"nilfs2":   {always: []string{"-f", "-q"}, label: "-L", blocks: option("-b")},
	"gfs2":     {always: []string{"-O", "-q", "-p", "lock_nolock", "-j", "1"}, blocks: option("-b")},
	"minix":    {},
	"msdos": {
		always: []string{"-I"}, label: "-n", sectors: "-S",
		blocks: func(n, sector int) []string { return []string{"-s", fmt.Sprint(n / sector)} },
	},
}

var goodType = lazyregexp.New(`^[a-z0-9][a-z0-9._-]*$`)

// Mkfs makes a file system.
func (s *Server) Mkfs(ctx context.Context, a *rpc.MkfsArgs) error {
	if !goodType().MatchString(a.Fstype) {
		return errorf("%s: not a type of file system", a.Fstype)
	}
	sector, err := s.deviceNumber(a.Device, unix.BLKSSZGET)
	if err != nil {
		return err
	}
	if a.Sectorsize.Set {
		sector = a.Sectorsize.Value
	}
	m := makers[a.Fstype]
	args := slices.Clone(m.always)
	add := func(o, v string) {
		if strings.HasSuffix(o, "=") {
			args = append(args, o[:2], o[2:]+v)
		} else {
			args = append(args, o, v)
		}
	}
	if m.only512 && sector != 512 {
		return &protocol.Error{Name: "ENOTSUP", Message: fmt.Sprintf("%s: not available in unboot on a disk with sectors of %d bytes", a.Fstype, sector)}
	}
	notHere := func(what string) error {
		return errorf("%s: the option %s is not one of file systems of this type", a.Fstype, what)
	}
	if a.Blocksize.Set {
		n := a.Blocksize.Value
		switch {
		case n <= 0 || bits.OnesCount(uint(n)) != 1:
			return errorf("block size must be > 0 and a power of 2")
		case m.blocks == nil:
			return notHere("blocksize")
		case (a.Fstype == "vfat" || a.Fstype == "msdos") && n < sector:
			return errorf("block size %d is less than a sector of %d bytes", n, sector)
		}
		args = append(args, m.blocks(n, sector)...)
	} else if strings.HasPrefix(a.Fstype, "ext") && sector > 1024 {
		// Small file systems get smaller blocks, which the disk does not have.
		args = append(args, m.blocks(sector, sector)...)
	}
	if a.Features.Set {
		if m.features == "" {
			return notHere("features")
		}
		add(m.features, a.Features.Value)
	}
	if a.Inode.Set {
		switch {
		case m.inode == "":
			return errorf("inode size (-I) can only be set on ext2/3/4 filesystems")
		case a.Inode.Value <= 0:
			return errorf("inode size must be larger than zero")
		}
		add(m.inode, fmt.Sprint(a.Inode.Value))
	}
	switch {
	case a.Sectorsize.Set && a.Sectorsize.Value <= 0:
		return errorf("sector size must be larger than zero")
	case a.Sectorsize.Set && m.sectors == "":
		return notHere("sectorsize")
	case m.sectors != "" && (a.Sectorsize.Set || sector != 512):
		add(m.sectors, fmt.Sprint(sector))
	}
	if a.Label.Set {
		if m.label == "" {
			return notOfType("set the label for", a.Fstype)
		}
		add(m.label, a.Label.Value)
	}
	if d := s.device(a.Device); m.partition != nil && d != nil && d.Kind == unboot.KindPartition {
		args = append(args, m.partition(d, sector)...)
	}
	return s.makeFS(ctx, a.Fstype, a.Device, append(args, hosttool.Arg(0))...)
}

// makeFS runs the mkfs of a type.
func (s *Server) makeFS(ctx context.Context, fstype, device string, args ...string) error {
	_, err := s.onDevice(ctx, hosttool.Makes, device, nil, "mkfs."+fstype, args...)
	if err != nil {
		return withPrefix(err, "%s: %s: ", fstype, device)
	}
	return nil
}

// withPrefix puts a text before an error's, whose errno it keeps.
func withPrefix(err error, format string, args ...any) error {
	prefix := fmt.Sprintf(format, args...)
	var wire *protocol.Error
	if errors.As(err, &wire) {
		return &protocol.Error{Name: wire.Name, Message: prefix + wire.Message}
	}
	return errorf("%s%v", prefix, err)
}

// MkfsB makes a file system with blocks of a size.
func (s *Server) MkfsB(ctx context.Context, a *rpc.MkfsBArgs) error {
	return s.Mkfs(ctx, &rpc.MkfsArgs{Fstype: a.Fstype, Device: a.Device, Blocksize: rpc.Some(a.Blocksize)})
}
