package server

import (
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/unboot/unboot/disk"
	"golang.org/x/sys/unix"
)

// formats are those that a Drive may say.
var formats = []string{"", "raw", "qcow2"}

// checkDrive finds what is wrong with a drive without opening it for writing. Errors are
// *fs.PathError for what is a file.
func checkDrive(d Drive) error {
	if !slices.Contains(formats, d.Format) {
		return fmt.Errorf("format %q of %s is not one that unboot reads (%v)", d.Format, d.Path, formats[1:])
	}
	if d.Protocol != "" {
		return fmt.Errorf("protocol %s is not one that unboot speaks: %s", d.Protocol, d.URL)
	}
	fi, err := os.Stat(d.Path)
	if err != nil {
		return err
	}
	fail := func(err error) error { return &fs.PathError{Op: "open", Path: d.Path, Err: err} }
	switch mode := fi.Mode(); {
	case mode.IsDir():
		return fail(unix.EISDIR)
	case !mode.IsRegular() && mode.Type() != fs.ModeDevice:
		return fail(disk.ErrNotDisk)
	}
	if err := unix.Access(d.Path, unix.R_OK); err != nil {
		return fail(err)
	}
	for _, n := range []int{d.LogicalBlock, d.PhysicalBlock} {
		if n != 0 && (n < 512 || n > 4096 || n&(n-1) != 0) {
			return fmt.Errorf("block size %d of %s is not 512, 1024, 2048 or 4096", n, d.Path)
		}
	}
	return nil
}
