package disk

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// Qemu's file driver locks single bytes, none of which says anything about the
// data at that place: byte permBase+n is locked by those who use permission n,
// byte sharedBase+n by those who do not share it. Locks are read locks, so that
// they never conflict by themselves; one sees others by asking whether a write
// lock would be granted. See block/file-posix.c of qemu, raw_check_lock_bytes.
const (
	permBase   = 100
	sharedBase = 200
)

// Permissions, as numbers of qemu's BLK_PERM_ bits.
const (
	permConsistentRead = 0
	permWrite          = 1
	permResize         = 3
)

// The bytes that a writer locks, and those that it does not let others lock.
var (
	writerUses   = []int64{permConsistentRead, permWrite, permResize}
	writerDenies = []int64{permWrite, permResize}
)

// lock takes a writer's lock, which the open file description keeps until it
// is closed. The error is ErrInUse if a lock of another program forbids it.
func lock(fd int) error {
	var take, test []int64
	for _, n := range writerUses {
		take = append(take, permBase+n)
		test = append(test, sharedBase+n)
	}
	for _, n := range writerDenies {
		take = append(take, sharedBase+n)
		test = append(test, permBase+n)
	}
	// First taken, then tested: of two who do it at the same time, one at
	// least sees the other.
	for _, off := range take {
		l := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart, Start: off, Len: 1}
		if err := fcntlFlock(fd, unix.F_OFD_SETLK, &l); err != nil {
			return lockError(err)
		}
	}
	for _, off := range test {
		l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: off, Len: 1}
		if err := fcntlFlock(fd, unix.F_OFD_GETLK, &l); err != nil {
			return lockError(err)
		}
		if l.Type != unix.F_UNLCK {
			return ErrInUse
		}
	}
	return nil
}

// unlock gives up what lock has taken. That it cannot is no matter: the lock ends with the
// descriptor.
func unlock(fd int) {
	l := unix.Flock_t{Type: unix.F_UNLCK, Whence: io.SeekStart}
	fcntlFlock(fd, unix.F_OFD_SETLK, &l)
}

// lockError sorts the errors of locking. Where a file system has no locks at
// all, no program can hold one.
func lockError(err error) error {
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
		return ErrInUse // a program with a write lock of its own making
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return nil
	}
	return err
}

func fcntlFlock(fd int, cmd int, l *unix.Flock_t) error {
	for {
		if err := unix.FcntlFlock(uintptr(fd), cmd, l); err != unix.EINTR {
			return err
		}
	}
}
