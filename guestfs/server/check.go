package server

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/unboot/unboot/disk"
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
	if d.Format == "qcow2" {
		f, err := os.Open(d.Path)
		if err != nil {
			return err
		}
		f.Close()
	} else {
		// With its lock, so that a disk that somebody else writes to is found now.
		raw, err := disk.OpenRaw(d.Path, disk.Options{Writable: !d.ReadOnly, AnyFormat: d.Format == "raw"})
		var foreign *disk.FormatError
		switch {
		case err == nil:
			raw.Close()
		case errors.As(err, &foreign) && slices.Contains(formats, foreign.Format):
		default:
			return err
		}
	}
	for _, n := range []int{d.LogicalBlock, d.PhysicalBlock} {
		if n != 0 && (n < 512 || n > 4096 || n&(n-1) != 0) {
			return fmt.Errorf("block size %d of %s is not 512, 1024, 2048 or 4096", n, d.Path)
		}
	}
	return nil
}
