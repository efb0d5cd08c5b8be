package sysprep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/customize"
	"github.com/unboot/unboot/internal/treecopy"
)

// A Plan is what is to be done to a guest.
type Plan struct {
	Enabled Set
	// Customize is what the operation customize does.
	Customize customize.Plan
	// KeepUsers are not removed by the operation user-account; if there are RemoveUsers,
	// only those are.
	KeepUsers, RemoveUsers []string
}

// A run is a Plan at work.
type run struct {
	p *Plan
	g *customize.Guest
	// certificates says that some were removed.
	certificates bool
}

// Run does those operations that change files, in the order of their names, customize
// last. It ends with the first error.
func (p *Plan) Run(ctx context.Context, g *customize.Guest) error {
	switch {
	case g.FS.ReadOnly():
		return errors.New("the guest is mounted read-only")
	case len(p.KeepUsers)+len(p.RemoveUsers) > 0 && !p.Enabled.Has("user-account"):
		return errors.New("users to keep or to remove are given, but the operation user-account is not enabled")
	case !p.Customize.Empty() && !p.Enabled.Has("customize"):
		return errors.New("there is something to customize, but the operation customize is not enabled")
	}
	g.Template = true
	r := &run{p: p, g: g}
	for _, after := range []bool{false, true} {
		for i := range operations {
			o := &operations[i]
			if o.after != after || !p.Enabled.Has(o.Name) || o.when != nil && !o.when(g.System) {
				continue
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.say("performing %q", o.Name)
			if err := r.perform(ctx, o); err != nil {
				return fmt.Errorf("%s: %w", o.Name, err)
			}
		}
	}
	if r.certificates {
		return r.updateCertificates(ctx)
	}
	return nil
}

func (r *run) say(format string, args ...any) {
	if r.g.Say != nil {
		r.g.Say(fmt.Sprintf(format, args...))
	}
}

func (r *run) warn(format string, args ...any) {
	if r.g.Warn != nil {
		r.g.Warn(fmt.Sprintf(format, args...))
	}
}

func (r *run) perform(ctx context.Context, o *Operation) error {
	keep := o.keep
	if o.noLinks {
		for _, name := range o.files {
			if st, err := r.g.FS.Lstat(unboot.CleanPath(name)); err == nil && st.Mode()&fs.ModeSymlink != 0 {
				keep = append(keep, name)
			}
		}
	}
	if err := r.removeFiles(ctx, o.files, keep); err != nil {
		return err
	}
	if err := r.removeTrees(ctx, o.trees); err != nil {
		return err
	}
	if o.do != nil {
		return o.do(r, ctx)
	}
	return nil
}

func (r *run) customize(ctx context.Context) error { return r.p.Customize.Run(ctx, r.g) }

// match returns the files that patterns match, but for those that a link of the guest has
// led out of their place.
func (r *run) match(ctx context.Context, patterns []string) ([]string, error) {
	var all []string
	for _, pattern := range patterns {
		list, err := r.g.Glob(ctx, pattern)
		if err != nil {
			return nil, err
		}
		checked := map[string]bool{}
		for _, name := range list {
			if base := path.Base(name); base == "." || base == ".." {
				continue
			}
			dir := path.Dir(name)
			ok, known := checked[dir]
			if !known {
				ok = r.inPlace(dir)
				checked[dir] = ok
			}
			if ok {
				all = append(all, name)
			}
		}
	}
	return all, nil
}

// system are the directories that a system cannot be without.
var system = []string{".", "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "opt", "root", "sbin", "srv", "usr", "var"}

// inPlace reports whether a directory is one in which things can be removed: not one that a
// system cannot be without, unless it is meant.
func (r *run) inPlace(dir string) bool {
	real, err := treecopy.RealPath(r.g.FS, unboot.CleanPath(dir))
	if err != nil {
		return false
	}
	if slices.Contains(system, real) && real != unboot.CleanPath(dir) {
		r.warn("%q leads to /%s: nothing is removed there", dir, strings.TrimPrefix(real, "."))
		return false
	}
	return true
}

// removeFiles removes the files that patterns match. Directories stay.
func (r *run) removeFiles(ctx context.Context, patterns, keep []string) error {
	list, err := r.match(ctx, patterns)
	if err != nil {
		return err
	}
	for _, name := range list {
		if !slices.Contains(keep, name) {
			if _, err := r.removeFile(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeFile removes a file that is not a directory, and reports whether there was one.
func (r *run) removeFile(name string) (bool, error) {
	p := unboot.CleanPath(name)
	st, err := r.g.FS.Lstat(p)
	if err != nil || st.IsDir() {
		return false, nil
	}
	if err := r.g.FS.Remove(p); err != nil {
		return false, err
	}
	return true, nil
}

// removeTrees removes what patterns match, with all that is in it.
func (r *run) removeTrees(ctx context.Context, patterns []string) error {
	list, err := r.match(ctx, patterns)
	for _, name := range list {
		if err == nil {
			err = r.g.RemoveAll(name)
		}
	}
	return err
}

// removeBelow removes all regular files below a directory, but for those of some names.
// Directories stay, and links are not followed.
func (r *run) removeBelow(dir string, remove func(e *unboot.Entry) bool) error {
	if !r.inPlace(dir) {
		return nil // or it is not there
	}
	root, err := treecopy.RealPath(r.g.FS, unboot.CleanPath(dir))
	if err != nil {
		return nil
	}
	// First all names: a directory is not to be read while it changes.
	var list []string
	for e, err := range r.g.FS.Walk(root, nil) {
		if err != nil {
			return err
		}
		if e.Type().IsRegular() && remove(e) {
			list = append(list, e.Path())
		}
	}
	for _, name := range list {
		if err := r.g.FS.Remove(name); err != nil {
			return err
		}
	}
	return nil
}
