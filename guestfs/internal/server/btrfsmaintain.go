package server

import (
	"context"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// balanceAll are the kinds of chunks that a full balance moves.
const balanceAll = 1 | 2 | 4

// balance moves chunks: all, or what a balance that was paused has left.
func (b btrfs) balance(flags uint64) error {
	err := b.do(3, 32, words(1024, flags))
	if errors.Is(err, unix.ENOTCONN) {
		return errorf("balance: not in progress")
	}
	return err
}

// BtrfsFilesystemBalance moves all chunks, so that they are spread over the devices.
func (s *Server) BtrfsFilesystemBalance(ctx context.Context, a *rpc.BtrfsFilesystemBalanceArgs) error {
	return s.withBtrfsAt(a.Fs, func(b btrfs) error { return b.balance(balanceAll) })
}

// BtrfsBalanceResume goes on with a balance that was paused.
func (s *Server) BtrfsBalanceResume(ctx context.Context, a *rpc.BtrfsBalanceResumeArgs) error {
	const resume = 16
	return s.withBtrfsAt(a.Path, func(b btrfs) error { return b.balance(resume) })
}

// balanceControl pauses or cancels a balance.
func (s *Server) balanceControl(name, what string, command int) error {
	return s.withBtrfsAt(name, func(b btrfs) error {
		_, err := b.v.IoctlInt(b.fd, iocBtrfs(1, 33, 4), command)
		if errors.Is(err, unix.ENOTCONN) {
			return perrorText(err, "balance %s on '%s' failed: Not running", what, name)
		}
		return err
	})
}

// BtrfsBalancePause pauses a balance, which can only be one of another kernel's time.
func (s *Server) BtrfsBalancePause(ctx context.Context, a *rpc.BtrfsBalancePauseArgs) error {
	return s.balanceControl(a.Path, "pause", 1)
}

// BtrfsBalanceCancel cancels a balance that is paused.
func (s *Server) BtrfsBalanceCancel(ctx context.Context, a *rpc.BtrfsBalanceCancelArgs) error {
	return s.balanceControl(a.Path, "cancel", 2)
}

// BtrfsBalanceStatus tells how far a balance is. The status is "none", "running" or
// "paused".
func (s *Server) BtrfsBalanceStatus(ctx context.Context, a *rpc.BtrfsBalanceStatusArgs) (*rpc.Btrfsbalance, error) {
	result := &rpc.Btrfsbalance{BtrfsbalanceStatus: "none"}
	err := s.withBtrfsAt(a.Path, func(b btrfs) error {
		arg := make([]byte, 1024)
		err := b.do(2, 34, arg)
		if errors.Is(err, unix.ENOTCONN) {
			return nil
		}
		if err != nil {
			return err
		}
		const running, stats = 1, 424
		u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(arg[at:]) }
		result.BtrfsbalanceStatus = "paused"
		if u64(8) == running {
			result.BtrfsbalanceStatus = "running"
		}
		result.BtrfsbalanceTotal, result.BtrfsbalanceConsidered, result.BtrfsbalanceBalanced = u64(stats), u64(stats+8), u64(stats+16)
		if total := result.BtrfsbalanceTotal; total > 0 {
			done := min(result.BtrfsbalanceBalanced, total)
			result.BtrfsbalanceLeft = uint64(100 * (1 - float64(done)/float64(total)))
		}
		return nil
	})
	return result, err
}

// scrubWords is how many numbers a struct btrfs_scrub_progress has.
const scrubWords = 15

// scrub reads all devices of a file system and returns what it has found.
func (b btrfs) scrub(readOnly bool) (total [scrubWords]uint64, err error) {
	flags := uint64(0)
	if readOnly {
		flags = 1
	}
	err = b.eachID(func(id uint64) (bool, error) {
		arg := words(1024, id, 0, ^uint64(0), flags)
		err := b.do(3, 27, arg)
		for i := range total {
			total[i] += binary.NativeEndian.Uint64(arg[32+8*i:])
		}
		return true, err
	})
	return total, err
}

// Places of errors in a struct btrfs_scrub_progress.
const (
	scrubReadErrors    = 4
	scrubCsumErrors    = 5
	scrubVerifyErrors  = 6
	scrubSuperErrors   = 9
	scrubUncorrectable = 11
	scrubCorrected     = 12
	scrubLastPhysical  = 13
	scrubUnverified    = 14
)

// identity returns the UUID of a file system.
func (b btrfs) identity() (id [16]byte, err error) {
	info := make([]byte, 1024)
	if err := b.do(2, 31, info); err != nil {
		return id, err
	}
	return [16]byte(info[16:]), nil
}

// BtrfsScrubStart reads everything and repairs what it can. It is done when it returns.
func (s *Server) BtrfsScrubStart(ctx context.Context, a *rpc.BtrfsScrubStartArgs) error {
	return s.withBtrfsAt(a.Path, func(b btrfs) error {
		_, err := s.scrub(b, false)
		return err
	})
}

// scrub scrubs and keeps the result for BtrfsScrubStatus.
func (s *Server) scrub(b btrfs, readOnly bool) (total [scrubWords]uint64, err error) {
	id, err := b.identity()
	if err != nil {
		return total, err
	}
	if total, err = b.scrub(readOnly); err == nil {
		if s.scrubs == nil {
			s.scrubs = map[[16]byte][scrubWords]uint64{}
		}
		s.scrubs[id] = total
	}
	return total, err
}

// BtrfsScrubFull reads everything, and fails if something is wrong.
func (s *Server) BtrfsScrubFull(ctx context.Context, a *rpc.BtrfsScrubFullArgs) error {
	return s.withBtrfsAt(a.Path, func(b btrfs) error {
		total, err := s.scrub(b, a.Readonly.Or(false))
		if err != nil {
			return err
		}
		if n := total[scrubUncorrectable] + total[scrubReadErrors] + total[scrubCsumErrors] + total[scrubVerifyErrors] + total[scrubSuperErrors]; n > 0 {
			return errorf("scrub found %d errors: %d corrected, %d not", n, total[scrubCorrected], total[scrubUncorrectable])
		}
		return nil
	})
}

// BtrfsScrubCancel cancels a scrub.
func (s *Server) BtrfsScrubCancel(ctx context.Context, a *rpc.BtrfsScrubCancelArgs) error {
	return s.withBtrfsAt(a.Path, func(b btrfs) error {
		err := b.simple(28)
		if errors.Is(err, unix.ENOTCONN) {
			return perrorText(err, "scrub cancel failed on %s: not running", a.Path)
		}
		return err
	})
}

// BtrfsScrubResume goes on with a scrub that was cancelled. There is none: a scrub is
// through when its call returns.
func (s *Server) BtrfsScrubResume(ctx context.Context, a *rpc.BtrfsScrubResumeArgs) error {
	return s.withBtrfsAt(a.Path, func(b btrfs) error {
		return &protocol.Error{Message: "scrub: nothing to resume"}
	})
}

// BtrfsScrubStatus returns what the last scrub has found.
func (s *Server) BtrfsScrubStatus(ctx context.Context, a *rpc.BtrfsScrubStatusArgs) (*rpc.Btrfsscrub, error) {
	var p [scrubWords]uint64
	err := s.withBtrfsAt(a.Path, func(b btrfs) error {
		id, err := b.identity()
		p = s.scrubs[id]
		return err
	})
	return &rpc.Btrfsscrub{
		BtrfsscrubDataExtentsScrubbed: p[0], BtrfsscrubTreeExtentsScrubbed: p[1],
		BtrfsscrubDataBytesScrubbed: p[2], BtrfsscrubTreeBytesScrubbed: p[3],
		BtrfsscrubReadErrors: p[scrubReadErrors], BtrfsscrubCsumErrors: p[scrubCsumErrors], BtrfsscrubVerifyErrors: p[scrubVerifyErrors],
		BtrfsscrubNoCsum: p[7], BtrfsscrubCsumDiscards: p[8], BtrfsscrubSuperErrors: p[scrubSuperErrors], BtrfsscrubMallocErrors: p[10],
		BtrfsscrubUncorrectableErrors: p[scrubUncorrectable], BtrfsscrubUnverifiedErrors: p[scrubUnverified],
		BtrfsscrubCorrectedErrors: p[scrubCorrected], BtrfsscrubLastPhysical: p[scrubLastPhysical],
	}, err
}
