package unboot

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A device of the device mapper, or an array, has threads of its own in the kernel, which can
// have only so many: about a thousand with its default of memory. File systems have threads,
// too, and what is on the disks must not keep them from being mounted.
const (
	spareThreads = 128 // are kept for file systems: a btrfs has some dozens
	fewVolumes   = 64  // need not be counted
)

// threadsLeft reports as an error if the kernel has no threads for one more volume.
func (img *Image) threadsLeft() error {
	if len(img.loaded) < fewVolumes {
		return nil
	}
	var most, running, now int
	if err := img.scanFile("/proc/sys/kernel/threads-max", "%d", &most); err != nil {
		return err
	}
	var load float64
	if err := img.scanFile("/proc/loadavg", "%g %g %g %d/%d", &load, &load, &load, &running, &now); err != nil {
		return err
	}
	if now+spareThreads > most {
		return fmt.Errorf("the kernel has no threads left for it: %d of %d are in use, and the rest is for file systems: %w", now, most, unix.EAGAIN)
	}
	return nil
}

// scanFile reads values from a file of the kernel's.
func (img *Image) scanFile(path, format string, values ...any) error {
	text, err := img.k.ReadFile(path, 4096)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := fmt.Sscanf(string(text), format, values...); err != nil {
		return fmt.Errorf("%s: %q: %w", path, text, err)
	}
	return nil
}
