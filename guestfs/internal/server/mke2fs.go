package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
)

// e2Args collects arguments of mke2fs(8). Of -E and -O only the last would count, so they
// are lists.
type e2Args struct {
	args, extended, features []string
	err                      error
}

func (e *e2Args) number(v rpc.Opt[int64], name string, add func(n string)) {
	switch {
	case !v.Set || e.err != nil:
	case v.Value < 0:
		e.err = errorf("%s must be >= 0", name)
	default:
		add(fmt.Sprint(v.Value))
	}
}

func (e *e2Args) option(v rpc.Opt[int64], name, option string) {
	e.number(v, name, func(n string) { e.args = append(e.args, option, n) })
}

func (e *e2Args) extend(v rpc.Opt[int64], name, option string) {
	e.number(v, name, func(n string) { e.extended = append(e.extended, option+"="+n) })
}

func (e *e2Args) text(v rpc.Opt[string], option string) {
	if v.Set {
		e.args = append(e.args, option, v.Value)
	}
}

func (e *e2Args) flag(v rpc.Opt[bool], option string) {
	if v.Or(false) {
		e.args = append(e.args, option)
	}
}

func (e *e2Args) choice(v rpc.Opt[bool], list *[]string, yes, no string) {
	switch {
	case v.Set && v.Value:
		*list = append(*list, yes)
	case v.Set:
		*list = append(*list, no)
	}
}

func (e *e2Args) feature(v rpc.Opt[bool], name string) { e.choice(v, &e.features, name, "^"+name) }

func wide(v rpc.Opt[int]) rpc.Opt[int64] { return rpc.Opt[int64]{Set: v.Set, Value: int64(v.Value)} }

// e2Options returns the options of mke2fs(8) for those of a call.
func e2Options(a *rpc.Mke2fsArgs) ([]string, error) {
	// There is nobody to ask whether to go on.
	e := &e2Args{args: []string{"-F", "-q"}}
	e.option(a.Blocksize, "blocksize", "-b")
	e.option(a.Fragsize, "fragsize", "-C")
	e.option(a.Blockspergroup, "blockspergroup", "-g")
	e.option(a.Numberofgroups, "numberofgroups", "-G")
	e.option(a.Bytesperinode, "bytesperinode", "-i")
	e.option(a.Inodesize, "inodesize", "-I")
	e.option(a.Numberofinodes, "numberofinodes", "-N")
	e.option(wide(a.Reservedblockspercentage), "reservedblockspercentage", "-m")
	e.number(a.Journalsize, "journalsize", func(n string) { e.args = append(e.args, "-J", "size="+n) })
	e.extend(a.Stridesize, "stridesize", "stride")
	e.extend(a.Stripewidth, "stripewidth", "stripe_width")
	e.extend(a.Maxonlineresize, "maxonlineresize", "resize")
	e.extend(wide(a.Mmpupdateinterval), "mmpupdateinterval", "mmp_update_interval")
	e.text(a.Label, "-L")
	e.text(a.Lastmounteddir, "-M")
	e.text(a.Creatoros, "-o")
	e.text(a.Fstype, "-t")
	e.text(a.Usagetype, "-T")
	e.text(a.Uuid, "-U")
	e.flag(a.Writesbandgrouponly, "-S")
	e.flag(a.Testfs, "-n")
	e.choice(a.Lazyitableinit, &e.extended, "lazy_itable_init=1", "lazy_itable_init=0")
	e.choice(a.Lazyjournalinit, &e.extended, "lazy_journal_init=1", "lazy_journal_init=0")
	e.choice(a.Discard, &e.extended, "discard", "nodiscard")
	if a.Quotatype.Or(false) {
		e.extended = append(e.extended, "quotatype=usrquota:grpquota")
	}
	e.feature(a.Extent, "extent")
	e.feature(a.Filetype, "filetype")
	e.feature(a.Flexbg, "flex_bg")
	e.feature(a.Hasjournal, "has_journal")
	e.feature(a.Journaldev, "journal_dev")
	e.feature(a.Largefile, "large_file")
	e.feature(a.Quota, "quota")
	e.feature(a.Resizeinode, "resize_inode")
	e.feature(a.Sparsesuper, "sparse_super")
	e.feature(a.Uninitbg, "uninit_bg")
	if len(e.extended) > 0 {
		e.args = append(e.args, "-E", strings.Join(e.extended, ","))
	}
	if len(e.features) > 0 {
		e.args = append(e.args, "-O", strings.Join(e.features, ","))
	}
	return e.args, e.err
}

// Mke2fs makes an ext2, ext3 or ext4.
func (s *Server) Mke2fs(ctx context.Context, a *rpc.Mke2fsArgs) error {
	switch a.Fstype.Or("ext2") {
	case "ext2", "ext3", "ext4", "ext4dev":
	default: // mke2fs(8) makes an ext2 then
		return errorf("%s: not a valid extended filesystem type", a.Fstype.Value)
	}
	args, err := e2Options(a)
	if err != nil {
		return err
	}
	args = append(args, hosttool.Arg(0))
	if a.Blockscount.Set {
		if a.Blockscount.Value < 0 {
			return errorf("blockscount must be >= 0")
		}
		args = append(args, fmt.Sprint(a.Blockscount.Value))
	}
	use := hosttool.Makes
	switch {
	case a.Testfs.Or(false):
		use = hosttool.Reads
	case a.Writesbandgrouponly.Or(false):
		use = hosttool.Changes // the last resort for what is there
	}
	if a.Journaldevice.Set {
		return s.mke2fsJournal(ctx, a.Device, a.Journaldevice.Value, args)
	}
	_, err = s.onDevice(ctx, use, a.Device, nil, "mke2fs", args...)
	return ofDevice(err, a.Device)
}

// mke2fsJournal makes a file system with its journal on another device, which the tool takes
// nothing but a block device for.
func (s *Server) mke2fsJournal(ctx context.Context, device, journal string, args []string) error {
	for i, arg := range args {
		if arg == hosttool.Arg(0) {
			args[i] = device
		}
	}
	args = append([]string{"-J", "device=" + journal}, args...)
	_, _, err := s.runProgram(ctx, program{name: "mke2fs", args: args})
	return ofDeviceText(err, device)
}

// Mke2fsJ makes an ext3 or ext4 with its journal on another device.
func (s *Server) Mke2fsJ(ctx context.Context, a *rpc.Mke2fsJArgs) error {
	return s.mke2fsJ(ctx, a.Fstype, a.Blocksize, a.Device, a.Journal)
}

// Mke2fsJL is Mke2fsJ, with the journal's device by its label.
func (s *Server) Mke2fsJL(ctx context.Context, a *rpc.Mke2fsJLArgs) error {
	return s.mke2fsJ(ctx, a.Fstype, a.Blocksize, a.Device, "LABEL="+a.Label)
}

// Mke2fsJU is Mke2fsJ, with the journal's device by its UUID.
func (s *Server) Mke2fsJU(ctx context.Context, a *rpc.Mke2fsJUArgs) error {
	return s.mke2fsJ(ctx, a.Fstype, a.Blocksize, a.Device, "UUID="+a.Uuid)
}

func (s *Server) mke2fsJ(ctx context.Context, fstype string, blockSize int, device, journal string) error {
	return s.Mke2fs(ctx, &rpc.Mke2fsArgs{
		Device: device, Blocksize: rpc.Some(int64(blockSize)), Fstype: rpc.Some(fstype), Journaldevice: rpc.Some(journal),
	})
}

// Mke2journal makes a journal for an ext3 or ext4 on another device.
func (s *Server) Mke2journal(ctx context.Context, a *rpc.Mke2journalArgs) error {
	return s.Mke2fs(ctx, e2Journal(a.Device, a.Blocksize))
}

// Mke2journalL makes a journal with a label.
func (s *Server) Mke2journalL(ctx context.Context, a *rpc.Mke2journalLArgs) error {
	j := e2Journal(a.Device, a.Blocksize)
	j.Label = rpc.Some(a.Label)
	return s.Mke2fs(ctx, j)
}

// Mke2journalU makes a journal with a UUID.
func (s *Server) Mke2journalU(ctx context.Context, a *rpc.Mke2journalUArgs) error {
	j := e2Journal(a.Device, a.Blocksize)
	j.Uuid = rpc.Some(a.Uuid)
	return s.Mke2fs(ctx, j)
}

func e2Journal(device string, blockSize int) *rpc.Mke2fsArgs {
	return &rpc.Mke2fsArgs{Device: device, Blocksize: rpc.Some(int64(blockSize)), Journaldev: rpc.Some(true)}
}
