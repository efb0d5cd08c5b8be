package btrfs

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/fsctl"
)

// ErrNotRunning is the error of what there is none to pause, cancel or resume. It is
// ENOTCONN.
var ErrNotRunning error = notRunning{}

type notRunning struct{}

func (notRunning) Error() string { return "not running" }
func (notRunning) Unwrap() error { return unix.ENOTCONN }

func running(err error) error {
	if errors.Is(err, unix.ENOTCONN) {
		return ErrNotRunning
	}
	return err
}

// Balance moves all chunks, so that they are spread over the devices
// (BTRFS_IOC_BALANCE_V2).
func (f FS) Balance() error {
	const data, system, metadata = 1, 2, 4
	return f.balance(data | system | metadata)
}

// ResumeBalance goes on with a balance that was paused. The error may be [ErrNotRunning].
func (f FS) ResumeBalance() error {
	const resume = 16
	return f.balance(resume)
}

// balance passes the flags of a struct btrfs_ioctl_balance_args.
func (f FS) balance(flags uint64) error {
	return running(f.do(fsctl.ReadWrite, 32, fsctl.Words(1024, flags)))
}

// PauseBalance pauses a balance (BTRFS_IOC_BALANCE_CTL). The error may be [ErrNotRunning].
func (f FS) PauseBalance() error { return running(f.number(fsctl.Write, 33, 4, 1)) }

// CancelBalance cancels a balance, also one that is paused. The error may be
// [ErrNotRunning].
func (f FS) CancelBalance() error { return running(f.number(fsctl.Write, 33, 4, 2)) }

// BalanceProgress is how far a balance is, in chunks.
type BalanceProgress struct {
	Running                         bool // and not paused
	Expected, Considered, Completed uint64
}

// BalanceProgress returns how far a balance is (BTRFS_IOC_BALANCE_PROGRESS). The error is
// [ErrNotRunning] if there is none, not even a paused one.
func (f FS) BalanceProgress() (BalanceProgress, error) {
	const state, stateRunning, stats = 8, 1, 424
	arg := make([]byte, 1024)
	if err := f.do(fsctl.Read, 34, arg); err != nil {
		return BalanceProgress{}, running(err)
	}
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(arg[at:]) }
	return BalanceProgress{u64(state) == stateRunning, u64(stats), u64(stats + 8), u64(stats + 16)}, nil
}
