package server

import (
	"context"
	"slices"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// AugInit opens Augeas. A handle that is open is closed, without a save.
func (s *Server) AugInit(ctx context.Context, a *rpc.AugInitArgs) error {
	s.closeAug()
	aug, err := s.newAugeas(ctx, a.Root, a.Flags)
	if err != nil {
		return augWorded("aug_init", []string{a.Root}, err)
	}
	s.aug = aug
	return nil
}

// AugClose closes Augeas, without a save.
func (s *Server) AugClose(ctx context.Context) error {
	return s.withAug("aug_close", nil, func(*augeas) error {
		s.closeAug()
		return nil
	})
}

// AugDefvar gives a name to the nodes that an expression matches now, and returns how many
// these are. Without an expression it takes them away again.
func (s *Server) AugDefvar(ctx context.Context, a *rpc.AugDefvarArgs) (n int, err error) {
	if a.Expr == nil {
		return 0, s.withAug("aug_defvar", []string{a.Name}, func(aug *augeas) error {
			return aug.undefine(ctx, a.Name)
		})
	}
	err = s.withAug("aug_defvar", []string{a.Name, *a.Expr}, func(aug *augeas) error {
		name, err := augWord(a.Name)
		if err != nil {
			return err
		}
		expr, err := aug.path(*a.Expr)
		if err != nil {
			return err
		}
		if err := aug.do(ctx, "defvar", name, expr); err != nil {
			return err
		}
		aug.defined(a.Name, true)
		// What is no set of nodes has none.
		n, _ = aug.count(ctx, expr)
		return nil
	})
	return n, err
}

// AugDefnode is AugDefvar for one node, which it makes if there is none.
func (s *Server) AugDefnode(ctx context.Context, a *rpc.AugDefnodeArgs) (*rpc.IntBool, error) {
	r := &rpc.IntBool{}
	err := s.withAug("aug_defnode", []string{a.Name, a.Expr, a.Val}, func(aug *augeas) error {
		expr, err := aug.path(a.Expr)
		if err != nil {
			return err
		}
		name, err := augWord(a.Name)
		if err != nil {
			return err
		}
		val, err := augWord(a.Val)
		if err != nil {
			return err
		}
		n, err := aug.count(ctx, expr)
		if err != nil {
			return err
		}
		if n == 0 {
			n, r.B = 1, 1
		}
		r.I = int32(n)
		err = aug.do(ctx, "defnode", name, expr, val)
		if err == nil {
			aug.defined(a.Name, true)
		}
		return err
	})
	return r, err
}

// AugGet returns the value of the one node that a path expression matches.
func (s *Server) AugGet(ctx context.Context, a *rpc.AugGetArgs) (value string, err error) {
	err = s.withAug("aug_get", []string{a.Augpath}, func(aug *augeas) error {
		value, err = aug.value(ctx, "get", a.Augpath)
		if err == errAugNoValue {
			return errorf("Augeas returned NULL match")
		}
		return err
	})
	return value, err
}

// AugLabel returns the label of the one node that a path expression matches.
func (s *Server) AugLabel(ctx context.Context, a *rpc.AugLabelArgs) (label string, err error) {
	err = s.withAug("aug_label", []string{a.Augpath}, func(aug *augeas) error {
		label, err = aug.value(ctx, "label", a.Augpath)
		if err == errAugNoNode {
			return errorf("no matching nodes found")
		}
		return err
	})
	return label, err
}

// AugSet sets the value of a node, which it makes if there is none.
func (s *Server) AugSet(ctx context.Context, a *rpc.AugSetArgs) error {
	return s.withAug("aug_set", []string{a.Augpath, a.Val}, func(aug *augeas) error {
		path, err := aug.path(a.Augpath)
		if err != nil {
			return err
		}
		val, err := augWord(a.Val)
		if err != nil {
			return err
		}
		return aug.do(ctx, "set", path, val)
	})
}

// AugClear takes the value of a node away. It makes the node if there is none.
func (s *Server) AugClear(ctx context.Context, a *rpc.AugClearArgs) error {
	return s.withAug("aug_clear", []string{a.Augpath}, func(aug *augeas) error {
		path, err := aug.path(a.Augpath)
		if err != nil {
			return err
		}
		return aug.do(ctx, "clear", path)
	})
}

// AugSetm sets the values of many nodes, and returns how many.
func (s *Server) AugSetm(ctx context.Context, a *rpc.AugSetmArgs) (n int, err error) {
	sub := "."
	if a.Sub != nil {
		sub = *a.Sub
	}
	err = s.withAug("aug_setm", []string{a.Base, sub, a.Val}, func(aug *augeas) error {
		base, err := aug.path(a.Base)
		if err != nil {
			return err
		}
		below, err := aug.path(sub)
		if err != nil {
			return err
		}
		val, err := augWord(a.Val)
		if err != nil {
			return err
		}
		count, cerr := aug.countSet(ctx, a.Base, a.Sub)
		if err := aug.do(ctx, "setm", base, below, val); err != nil {
			return err
		}
		n = count
		return cerr
	})
	return n, err
}

// AugInsert makes a node beside another.
func (s *Server) AugInsert(ctx context.Context, a *rpc.AugInsertArgs) error {
	where, before := "after", "0"
	if a.Before {
		where, before = "before", "1"
	}
	return s.withAug("aug_insert", []string{a.Augpath, a.Label + " [before=" + before + "]"}, func(aug *augeas) error {
		path, err := aug.path(a.Augpath)
		if err != nil {
			return err
		}
		label, err := augWord(a.Label)
		if err != nil {
			return err
		}
		if strings.Contains(a.Label, "/") {
			// augtool does not say that it has failed.
			return &augError{message: augFailed}
		}
		return aug.do(ctx, "ins", label, where, path)
	})
}

// AugRm removes nodes and what is below them, and returns how many nodes that were.
func (s *Server) AugRm(ctx context.Context, a *rpc.AugRmArgs) (n int, err error) {
	err = s.withAug("aug_rm", []string{a.Augpath}, func(aug *augeas) error {
		path, err := aug.path(a.Augpath)
		if err != nil {
			return err
		}
		answer, err := aug.tool.ask(ctx, "rm", path)
		if err == nil {
			n, err = parseAugRm(answer)
		}
		return err
	})
	return n, err
}

// AugMv moves a node, with what is below it.
func (s *Server) AugMv(ctx context.Context, a *rpc.AugMvArgs) error {
	return s.withAug("aug_mv", []string{a.Src, a.Dest}, func(aug *augeas) error {
		src, err := aug.path(a.Src)
		if err != nil {
			return err
		}
		dest, err := aug.path(a.Dest)
		if err != nil {
			return err
		}
		return aug.do(ctx, "mv", src, dest)
	})
}

// AugMatch returns the paths of the nodes that a path expression matches.
func (s *Server) AugMatch(ctx context.Context, a *rpc.AugMatchArgs) (paths []string, err error) {
	err = s.withAug("aug_match", []string{a.Augpath}, func(aug *augeas) error {
		paths, err = aug.match(ctx, a.Augpath)
		return err
	})
	return paths, err
}

// AugLs returns the paths of the nodes below one, sorted.
func (s *Server) AugLs(ctx context.Context, a *rpc.AugLsArgs) (paths []string, err error) {
	if s.aug == nil {
		return nil, s.withAug("aug_ls", nil, nil)
	}
	below := strings.TrimSuffix(a.Augpath, "/") + "/*"
	if len(a.Augpath) > 1 && strings.ContainsRune("/]*", rune(a.Augpath[len(a.Augpath)-1])) {
		return nil, errorf("don't use aug-ls with a path that ends with / ] *")
	}
	err = s.withAug("aug_match", []string{below}, func(aug *augeas) error {
		paths, err = aug.match(ctx, below)
		slices.Sort(paths)
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
	return s.withAug("aug_transform", []string{a.Lens, a.File, filter}, func(aug *augeas) error {
		lens, err := augWord(a.Lens)
		if err != nil {
			return err
		}
		file, err := aug.path(a.File)
		if err != nil {
			return err
		}
		return aug.do(ctx, "transform", lens, filter, file)
	})
}

// AugLoad reads files again, as they are now. Of those that have not changed the tree
// keeps what it is.
func (s *Server) AugLoad(ctx context.Context) error {
	return s.withAug("aug_load", nil, func(aug *augeas) error { return aug.load(ctx) })
}

// AugSave writes files of which the tree has changed. If some cannot be, others are.
func (s *Server) AugSave(ctx context.Context) error {
	return s.withAug("aug_save", nil, func(aug *augeas) error { return aug.save(ctx) })
}
