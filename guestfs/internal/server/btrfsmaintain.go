package server

import (
	"context"
	"errors"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

// BtrfsFilesystemBalance moves all chunks, so that they are spread over the devices.
func (s *Server) BtrfsFilesystemBalance(ctx context.Context, a *rpc.BtrfsFilesystemBalanceArgs) error {
	return s.withBtrfsAt(a.Fs, btrfs.FS.Balance)
}

// BtrfsBalanceResume goes on with a balance that was paused.
func (s *Server) BtrfsBalanceResume(ctx context.Context, a *rpc.BtrfsBalanceResumeArgs) error {
	return s.withBtrfsAt(a.Path, func(fs btrfs.FS) error {
		err := fs.ResumeBalance()
		if errors.Is(err, btrfs.ErrNotRunning) {
			return errorf("balance: not in progress")
		}
		return err
	})
}

// balanceControl pauses or cancels a balance.
func (s *Server) balanceControl(name, what string, do func(btrfs.FS) error) error {
	return s.withBtrfsAt(name, func(fs btrfs.FS) error {
		err := do(fs)
		if errors.Is(err, btrfs.ErrNotRunning) {
			return perrorText(err, "balance %s on '%s' failed: Not running", what, name)
		}
		return err
	})
}

// BtrfsBalancePause pauses a balance, which can only be one of another kernel's time.
func (s *Server) BtrfsBalancePause(ctx context.Context, a *rpc.BtrfsBalancePauseArgs) error {
	return s.balanceControl(a.Path, "pause", btrfs.FS.PauseBalance)
}

// BtrfsBalanceCancel cancels a balance that is paused.
func (s *Server) BtrfsBalanceCancel(ctx context.Context, a *rpc.BtrfsBalanceCancelArgs) error {
	return s.balanceControl(a.Path, "cancel", btrfs.FS.CancelBalance)
}

// BtrfsBalanceStatus returns how far a balance is. The status is "none", "running" or
// "paused".
func (s *Server) BtrfsBalanceStatus(ctx context.Context, a *rpc.BtrfsBalanceStatusArgs) (*rpc.Btrfsbalance, error) {
	result := &rpc.Btrfsbalance{BtrfsbalanceStatus: "none"}
	err := s.withBtrfsAt(a.Path, func(fs btrfs.FS) error {
		p, err := fs.BalanceProgress()
		if errors.Is(err, btrfs.ErrNotRunning) {
			return nil
		}
		if err != nil {
			return err
		}
		result.BtrfsbalanceStatus = "paused"
		if p.Running {
			result.BtrfsbalanceStatus = "running"
		}
		result.BtrfsbalanceTotal, result.BtrfsbalanceConsidered, result.BtrfsbalanceBalanced = p.Expected, p.Considered, p.Completed
		if p.Expected > 0 {
			done := min(p.Completed, p.Expected)
			result.BtrfsbalanceLeft = uint64(100 * (1 - float64(done)/float64(p.Expected)))
		}
		return nil
	})
	return result, err
}

// BtrfsScrubStart reads everything and repairs what it can. It is done when it returns.
func (s *Server) BtrfsScrubStart(ctx context.Context, a *rpc.BtrfsScrubStartArgs) error {
	return s.withBtrfsAt(a.Path, func(fs btrfs.FS) error {
		_, err := s.scrub(fs, false)
		return err
	})
}

// scrub scrubs and keeps the result for BtrfsScrubStatus.
func (s *Server) scrub(fs btrfs.FS, readOnly bool) (total btrfs.ScrubProgress, err error) {
	id, err := fs.UUID()
	if err != nil {
		return total, err
	}
	if total, err = fs.Scrub(readOnly); err == nil {
		if s.scrubs == nil {
			s.scrubs = map[btrfs.UUID]btrfs.ScrubProgress{}
		}
		s.scrubs[id] = total
	}
	return total, err
}

// BtrfsScrubFull reads everything, and fails if something is wrong.
func (s *Server) BtrfsScrubFull(ctx context.Context, a *rpc.BtrfsScrubFullArgs) error {
	return s.withBtrfsAt(a.Path, func(fs btrfs.FS) error {
		total, err := s.scrub(fs, a.Readonly.Or(false))
		if err != nil {
			return err
		}
		if n := total.Errors(); n > 0 {
			return errorf("scrub found %d errors: %d corrected, %d not", n, total.Corrected, total.Uncorrectable)
		}
		return nil
	})
}

// BtrfsScrubCancel cancels a scrub.
func (s *Server) BtrfsScrubCancel(ctx context.Context, a *rpc.BtrfsScrubCancelArgs) error {
	return s.withBtrfsAt(a.Path, func(fs btrfs.FS) error {
		err := fs.CancelScrub()
		if errors.Is(err, btrfs.ErrNotRunning) {
			return perrorText(err, "scrub cancel failed on %s: not running", a.Path)
		}
		return err
	})
}

// BtrfsScrubResume goes on with a scrub that was cancelled. There is none: a scrub is
// through when its call returns.
func (s *Server) BtrfsScrubResume(ctx context.Context, a *rpc.BtrfsScrubResumeArgs) error {
	return s.withBtrfsAt(a.Path, func(btrfs.FS) error { return errorf("scrub: nothing to resume") })
}

// BtrfsScrubStatus returns what the last scrub has found.
func (s *Server) BtrfsScrubStatus(ctx context.Context, a *rpc.BtrfsScrubStatusArgs) (*rpc.Btrfsscrub, error) {
	var p btrfs.ScrubProgress
	err := s.withBtrfsAt(a.Path, func(fs btrfs.FS) error {
		id, err := fs.UUID()
		p = s.scrubs[id]
		return err
	})
	return &rpc.Btrfsscrub{
		BtrfsscrubDataExtentsScrubbed: p.DataExtents, BtrfsscrubTreeExtentsScrubbed: p.TreeExtents,
		BtrfsscrubDataBytesScrubbed: p.DataBytes, BtrfsscrubTreeBytesScrubbed: p.TreeBytes,
		BtrfsscrubReadErrors: p.ReadErrors, BtrfsscrubCsumErrors: p.CsumErrors, BtrfsscrubVerifyErrors: p.VerifyErrors,
		BtrfsscrubNoCsum: p.NoCsum, BtrfsscrubCsumDiscards: p.CsumDiscards, BtrfsscrubSuperErrors: p.SuperErrors,
		BtrfsscrubMallocErrors: p.MallocErrors, BtrfsscrubUncorrectableErrors: p.Uncorrectable,
		BtrfsscrubUnverifiedErrors: p.UnverifiedErrors, BtrfsscrubCorrectedErrors: p.Corrected, BtrfsscrubLastPhysical: p.LastPhysical,
	}, err
}
