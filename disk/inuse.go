package disk

import (
	"context"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// pollWriter is how often [Await] looks again. A writer that ends mostly has only
// to flush, which takes some hundredths of a second.
const pollWriter = 10 * time.Millisecond

// Patience is how long the programs of this project wait for a writer, by [Await]: one
// that has ended for its user, as guestunmount(1) has, may have left a process
// that is still flushing.
const Patience = 2 * time.Second

// A Use says how other programs use an image file, as far as it can be known.
type Use int

// The uses, from the least to the most.
const (
	// NotWritten: no program is known to write.
	NotWritten Use = iota
	// OpenForWriting: a program has it open for writing, without a lock, such
	// as the driver of a loop device.
	OpenForWriting
	// LockedForWriting: a program holds the lock of a writer, as qemu and
	// this package take it. [OpenRaw] for writing would return [ErrInUse].
	LockedForWriting
)

// InUse reports whether another program writes to an image file. For a block device,
// and of what cannot be opened, nothing is known. It takes some microseconds, and
// holds nothing when it returns.
func InUse(path string) Use {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return NotWritten
	}
	fd, err := openRetry(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK)
	if err != nil {
		return NotWritten
	}
	defer unix.Close(fd)
	switch {
	case lockedByWriter(fd):
		return LockedForWriting
	case openForWriting(fd):
		return OpenForWriting
	}
	return NotWritten
}

// Await waits for the program that holds a writer's lock on an image file to give
// it up, for d at most, or until ctx ends. It returns what [InUse] does then. A
// writer without a lock is not waited for: there is nothing to say how long it
// will be.
func Await(ctx context.Context, path string, d time.Duration) Use {
	use := InUse(path)
	if use != LockedForWriting {
		return use
	}
	end := time.Now().Add(d)
	ticker := time.NewTicker(pollWriter)
	defer ticker.Stop()
	for use == LockedForWriting && time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return use
		case <-ticker.C:
			use = InUse(path)
		}
	}
	return use
}

// lockedByWriter reports whether a program has announced by a lock that it
// writes, as qemu does with permissions that it uses, or has locked it all.
func lockedByWriter(fd int) bool {
	for _, n := range []int64{permWrite, permResize} {
		l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: permBase + n, Len: 1}
		if fcntlFlock(fd, unix.F_OFD_GETLK, &l) == nil && l.Type != unix.F_UNLCK {
			return true
		}
	}
	return false
}

// openForWriting asks for a read lease, which the host grants only if no process has
// the file open for writing, and gives it back at once. For a file of another user
// else's, and on some file systems, nothing is to be learned.
func openForWriting(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return err == unix.EAGAIN
}
