package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// makeOverlay makes the image that keeps what is written, if it is not there, and makes it what
// is mounted. It may name the image that it lies on, and no other file.
func (m *mounter) makeOverlay(a *app, t *target) error {
	base, err := filepath.Abs(t.image)
	if err != nil {
		return err
	}
	if _, err := os.Stat(base); err != nil {
		return openError(t.image, err)
	}
	overlay := m.overlayFile
	_, err = os.Lstat(overlay)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d, err := source.Create(a.life, overlay, "qcow2", disk.CreateOptions{Backing: base}, func(r disk.Reference) error { return only(base)(r.Path) })
		if err != nil {
			return openError(overlay, err)
		}
		if err := d.Close(); err != nil {
			return fmt.Errorf("%s: %w", quote(overlay), err)
		}
	case err != nil:
		return err
	}
	t.image, a.opts.base = overlay, base
	return nil
}
