package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// checkDrive finds what is wrong with a drive without opening it for writing. Errors are
// *fs.PathError for what is a file.
func checkDrive(d Drive) error {
	if formats := source.Names(); d.Format != "" && !slices.Contains(formats, d.Format) {
		return fmt.Errorf("format %q of %s is not one that unboot reads (it reads %s)", d.Format, d.Path, strings.Join(formats, " and "))
	}
	if err := checkSource(d); err != nil {
		return err
	}
	for _, n := range []int{d.LogicalBlock, d.PhysicalBlock} {
		if n != 0 && (n < 512 || n > 4096 || n&(n-1) != 0) {
			return fmt.Errorf("block size %d of %s is not 512, 1024, 2048 or 4096", n, d.Path)
		}
	}
	return nil
}

// checkSource finds what is wrong with where the bytes of a drive are.
func checkSource(d Drive) error {
	if url, _, ok := remoteDrive(d); ok {
		return checkRemote(d, url)
	}
	format, err := driveFormat(d)
	if err != nil {
		return err
	}
	if format == "raw" {
		return checkRaw(d)
	}
	return checkFormat(d, format)
}

// checkRaw opens a raw drive and closes it, with its lock, so that a disk that somebody
// else writes to is found now. One who is about to end is waited for.
func checkRaw(d Drive) error {
	if !d.ReadOnly {
		// The session before this one may have ended for its user, and not be through.
		disk.Await(context.Background(), d.Path, disk.Patience)
	}
	raw, err := disk.OpenRaw(d.Path, disk.Options{Writable: !d.ReadOnly, AnyFormat: true})
	if err != nil {
		return err
	}
	// A program that is just being started has a copy of the descriptor until it runs,
	// and with that the lock, which is needed again at once.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return raw.Close()
}
