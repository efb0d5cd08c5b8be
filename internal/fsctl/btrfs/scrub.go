package btrfs

import (
	"encoding/binary"

	"github.com/unboot/unboot/internal/fsctl"
)

// A ScrubProgress is what a scrub has read and found: a struct btrfs_scrub_progress.
type ScrubProgress struct {
	DataExtents, TreeExtents  uint64
	DataBytes, TreeBytes      uint64
	ReadErrors, CsumErrors    uint64
	VerifyErrors              uint64
	NoCsum, CsumDiscards      uint64
	SuperErrors, MallocErrors uint64
	Uncorrectable, Corrected  uint64
	LastPhysical              uint64
	UnverifiedErrors          uint64
}

// words returns the places of the numbers, in the order of the structure.
func (p *ScrubProgress) words() []*uint64 {
	return []*uint64{
		&p.DataExtents, &p.TreeExtents, &p.DataBytes, &p.TreeBytes, &p.ReadErrors, &p.CsumErrors,
		&p.VerifyErrors, &p.NoCsum, &p.CsumDiscards, &p.SuperErrors, &p.MallocErrors,
		&p.Uncorrectable, &p.Corrected, &p.LastPhysical, &p.UnverifiedErrors,
	}
}

// Errors returns how many errors a scrub has found that are not corrected.
func (p *ScrubProgress) Errors() uint64 {
	return p.Uncorrectable + p.ReadErrors + p.CsumErrors + p.VerifyErrors + p.SuperErrors
}

// Scrub reads everything that all devices have, and repairs what it can unless readOnly
// (BTRFS_IOC_SCRUB). It returns the sums of what was found on the devices.
func (f FS) Scrub(readOnly bool) (total ScrubProgress, err error) {
	const progress, end = 32, ^uint64(0)
	flags := uint64(0)
	if readOnly {
		flags = 1
	}
	err = f.eachDevice(func(d Device) (bool, error) {
		// A struct btrfs_ioctl_scrub_args.
		arg := fsctl.Words(1024, d.ID, 0, end, flags)
		err := f.do(fsctl.ReadWrite, 27, arg)
		for i, n := range total.words() {
			*n += binary.NativeEndian.Uint64(arg[progress+8*i:])
		}
		return true, err
	})
	return total, err
}

// CancelScrub cancels a scrub (BTRFS_IOC_SCRUB_CANCEL). The error may be [ErrNotRunning].
func (f FS) CancelScrub() error { return running(f.simple(28)) }
