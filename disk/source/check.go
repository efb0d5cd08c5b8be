package source

import (
	"context"
	"errors"
	"io/fs"

	"github.com/unboot/unboot/disk"
)

// Check is [Registry.Check] with what is [Known].
func Check(ctx context.Context, name string, o Options, r disk.Repair) (format string, res disk.CheckResult, err error) {
	return known.Check(ctx, name, o, r)
}

// ErrNoCheck is returned for an image in a format that has nothing to check.
var ErrNoCheck = errors.New("images in this format have no tables that could be checked")

// Check looks through the tables of an image, and repairs what it may, for which the image
// is locked. Nothing that the image names is opened, but the files of a format that is checked as
// a whole, if the options allow it. The format is told even if there is an
// error; that wraps [ErrNoCheck] if the format, such as raw, has nothing to check.
func (r *Registry) Check(ctx context.Context, name string, o Options, repair disk.Repair) (format string, res disk.CheckResult, err error) {
	f, err := r.named(o.Format)
	if err != nil {
		return o.Format, res, &fs.PathError{Op: "check", Path: name, Err: err}
	}
	o.Writable = repair != disk.RepairNothing
	d, at, err := r.bytes(ctx, name, o)
	if err != nil {
		return o.Format, res, err
	}
	defer func() {
		if e := d.Close(); err == nil && e != nil {
			err = e
		}
		if err != nil {
			err = at.wrap(err)
		}
	}()
	if f == nil {
		if f, err = r.recognize(d, at); err != nil {
			return "", res, err
		}
	}
	if f.Check == nil {
		return f.Name, res, &fs.PathError{Op: "check", Path: at.name, Err: ErrNoCheck}
	}
	if err := o.admit(d, f); err != nil {
		return f.Name, res, err
	}
	if f.CheckParts != nil && repair == disk.RepairNothing {
		c := &chain{registry: r, ctx: ctx, allow: o.Allow, noLock: o.NoLock}
		res, err = f.CheckParts(d, at.name, c.refer(at, 0))
	} else {
		res, err = f.Check(d, at.name, repair)
	}
	return f.Name, res, err
}
