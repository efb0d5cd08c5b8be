package server

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/augeas"
)

// AugInit opens Augeas. A handle that is open is closed, without a save.
func (s *Server) AugInit(ctx context.Context, a *rpc.AugInitArgs) error {
	s.closeAug()
	aug, err := augeas.New(ctx, augGuest{s}, a.Root, a.Flags, func(line string) { s.logf("%s", line) })
	if err != nil {
		return augWorded("aug_init", []string{a.Root}, err)
	}
	s.aug = aug
	return nil
}

// AugClose closes Augeas, without a save.
func (s *Server) AugClose(ctx context.Context) error {
	return s.withAug("aug_close", nil, func(*augeas.Handle) error {
		s.closeAug()
		return nil
	})
}

// AugDefvar gives a name to the nodes that an expression matches now, and returns how many
// these are. Without an expression it removes the name.
func (s *Server) AugDefvar(ctx context.Context, a *rpc.AugDefvarArgs) (n int, err error) {
	if a.Expr == nil {
		return 0, s.withAug("aug_defvar", []string{a.Name}, func(h *augeas.Handle) error {
			return h.Undefvar(ctx, a.Name)
		})
	}
	err = s.withAug("aug_defvar", []string{a.Name, *a.Expr}, func(h *augeas.Handle) error {
		n, err = h.Defvar(ctx, a.Name, *a.Expr)
		return err
	})
	return n, err
}

// AugDefnode is AugDefvar for one node, which it makes if there is none.
func (s *Server) AugDefnode(ctx context.Context, a *rpc.AugDefnodeArgs) (*rpc.IntBool, error) {
	r := &rpc.IntBool{}
	err := s.withAug("aug_defnode", []string{a.Name, a.Expr, a.Val}, func(h *augeas.Handle) error {
		n, created, err := h.Defnode(ctx, a.Name, a.Expr, a.Val)
		r.I = int32(n)
		if created {
			r.B = 1
		}
		return err
	})
	return r, err
}

// AugGet returns the value of the one node that a path expression matches.
func (s *Server) AugGet(ctx context.Context, a *rpc.AugGetArgs) (value string, err error) {
	err = s.withAug("aug_get", []string{a.Augpath}, func(h *augeas.Handle) error {
		value, err = h.Get(ctx, a.Augpath)
		if err == augeas.ErrNoValue {
			return errorf("Augeas returned NULL match")
		}
		return err
	})
	return value, err
}

// AugLabel returns the label of the one node that a path expression matches.
func (s *Server) AugLabel(ctx context.Context, a *rpc.AugLabelArgs) (label string, err error) {
	err = s.withAug("aug_label", []string{a.Augpath}, func(h *augeas.Handle) error {
		label, err = h.Label(ctx, a.Augpath)
		if err == augeas.ErrNoNode {
			return errorf("no matching nodes found")
		}
		return err
	})
	return label, err
}

// AugSet sets the value of a node, which it makes if there is none.
func (s *Server) AugSet(ctx context.Context, a *rpc.AugSetArgs) error {
	return s.withAug("aug_set", []string{a.Augpath, a.Val}, func(h *augeas.Handle) error {
		return h.Set(ctx, a.Augpath, a.Val)
	})
}

// AugClear removes the value of a node. It makes the node if there is none.
func (s *Server) AugClear(ctx context.Context, a *rpc.AugClearArgs) error {
	return s.withAug("aug_clear", []string{a.Augpath}, func(h *augeas.Handle) error {
		return h.Clear(ctx, a.Augpath)
	})
}

// AugSetm sets the values of many nodes, and returns how many.
func (s *Server) AugSetm(ctx context.Context, a *rpc.AugSetmArgs) (n int, err error) {
	sub := "."
	if a.Sub != nil {
		sub = *a.Sub
	}
	err = s.withAug("aug_setm", []string{a.Base, sub, a.Val}, func(h *augeas.Handle) error {
		n, err = h.Setm(ctx, a.Base, a.Sub, a.Val)
		return err
	})
	return n, err
}

// AugInsert makes a node beside another.
func (s *Server) AugInsert(ctx context.Context, a *rpc.AugInsertArgs) error {
	before := " [before=0]"
	if a.Before {
		before = " [before=1]"
	}
	return s.withAug("aug_insert", []string{a.Augpath, a.Label + before}, func(h *augeas.Handle) error {
		return h.Insert(ctx, a.Augpath, a.Label, a.Before)
	})
}

// AugRm removes nodes and what is below them, and returns how many nodes that were.
func (s *Server) AugRm(ctx context.Context, a *rpc.AugRmArgs) (n int, err error) {
	err = s.withAug("aug_rm", []string{a.Augpath}, func(h *augeas.Handle) error {
		n, err = h.Rm(ctx, a.Augpath)
		return err
	})
	return n, err
}

// AugMv moves a node, with what is below it.
func (s *Server) AugMv(ctx context.Context, a *rpc.AugMvArgs) error {
	return s.withAug("aug_mv", []string{a.Src, a.Dest}, func(h *augeas.Handle) error {
		return h.Mv(ctx, a.Src, a.Dest)
	})
}

// AugMatch returns the paths of the nodes that a path expression matches.
func (s *Server) AugMatch(ctx context.Context, a *rpc.AugMatchArgs) (paths []string, err error) {
	err = s.withAug("aug_match", []string{a.Augpath}, func(h *augeas.Handle) error {
		paths, err = h.Match(ctx, a.Augpath)
		return err
	})
	return paths, err
}

// AugLs returns the paths of the nodes below one, sorted.
func (s *Server) AugLs(ctx context.Context, a *rpc.AugLsArgs) (paths []string, err error) {
	if s.aug == nil {
		return nil, s.withAug("aug_ls", nil, nil)
	}
	below, err := augeas.Children(a.Augpath)
	if err != nil {
		return nil, errorf("don't use aug-ls with a path that ends with / ] *")
	}
	err = s.withAug("aug_match", []string{below}, func(h *augeas.Handle) error {
		paths, err = h.Ls(ctx, a.Augpath)
		return err
	})
	return paths, err
}

// AugTransform has a lens read files, or not read them, from the next load on.
func (s *Server) AugTransform(ctx context.Context, a *rpc.AugTransformArgs) error {
	filter := "incl"
	if a.Remove.Or(false) {
		filter = "excl"
	}
	return s.withAug("aug_transform", []string{a.Lens, a.File, filter}, func(h *augeas.Handle) error {
		return h.Transform(ctx, a.Lens, a.File, filter)
	})
}

// AugLoad reads files again, as they are now. Of those that have not changed the tree
// keeps what it is.
func (s *Server) AugLoad(ctx context.Context) error {
	return s.withAug("aug_load", nil, func(h *augeas.Handle) error { return h.Load(ctx) })
}

// AugSave writes files of which the tree has changed. If some cannot be, others are.
func (s *Server) AugSave(ctx context.Context) error {
	return s.withAug("aug_save", nil, func(h *augeas.Handle) error { return h.Save(ctx) })
}

// withAug calls f with the handle, and words what augtool says as the daemon does, after
// the arguments. An augtool that can no longer be relied on is closed.
func (s *Server) withAug(procedure string, args []string, f func(h *augeas.Handle) error) error {
	h := s.aug
	if h == nil {
		return errorf("do_%s: you must call 'aug-init' first to initialize Augeas", procedure)
	}
	err := f(h)
	if h.Gone() {
		s.closeAug()
	}
	return augWorded(procedure, args, err)
}

func augWorded(procedure string, args []string, err error) error {
	before := strings.Join(append([]string{procedure}, args...), ": ")
	var said *augeas.Error
	var file *augeas.FileError
	switch {
	case errors.As(err, &said) && said.Message == augeas.Failed:
		// The library has failed, and has nothing to say.
		return errorf("%s: No error", before)
	case said != nil:
		return errorf("%s: %v", before, said)
	case errors.As(err, &file):
		return perror(file.Err, "%s", file.Path)
	case errors.Is(err, augeas.ErrBrackets), errors.Is(err, unix.EINVAL):
		return perror(err, "%s", before)
	}
	return missingTool(err)
}

// closeAug ends Augeas, if it is open. What was not saved is lost.
func (s *Server) closeAug() {
	if s.aug != nil {
		s.aug.Close()
		s.aug = nil
	}
}
