package augeas

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/unboot/unboot/internal/hosttool"
)

// A Handle is an open Augeas. Its methods must not be called at the same time.
type Handle struct {
	w     *hosttool.Workshop
	tool  *process
	files *files

	undefined map[string]bool // variables that were removed: augtool has them still
}

// Flags of aug_init, as in augeas.h, that augtool knows as commands.
const (
	SaveNoop = 1 << 4
	NoLoad   = 1 << 5
)

// options are those of augtool for the other flags, by their bits.
var options = map[int]string{0: "-b", 1: "-n", 2: "-c", 3: "-S", 6: "-A"}

// New starts Augeas with a directory of the guest as its root. flags are those of
// aug_init in augeas.h. log gets a line for each file that is not copied, and may be nil.
// The handle has to be closed.
func New(ctx context.Context, g Guest, root string, flags int, log func(line string)) (h *Handle, err error) {
	h = &Handle{}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	if h.w, err = hosttool.New(); err != nil {
		return nil, err
	}
	h.files = &files{g: g, log: log, guest: strings.TrimRight(root, "/"), owner: h.w.Owner()}
	dir := filepath.Join(h.w.Dir(), "root")
	if err = os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if h.files.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	if err = h.files.chown("."); err != nil {
		return nil, err
	}
	var args []string
	for bit, option := range options {
		if flags&(1<<bit) != 0 {
			args = append(args, option)
		}
	}
	if h.tool, err = start(h.w, dir, h.files.guest, args...); err != nil {
		return nil, err
	}
	if flags&SaveNoop != 0 {
		if _, err = h.ask(ctx, "set", "/augeas/save", "noop"); err != nil {
			return nil, err
		}
	}
	if flags&NoLoad == 0 {
		err = h.Load(ctx)
	}
	return h, err
}

// Close ends Augeas. What was not saved is lost.
func (h *Handle) Close() {
	if h.tool != nil {
		h.tool.close()
	}
	if h.files != nil && h.files.root != nil {
		h.files.root.Close()
	}
	if h.w != nil {
		h.w.Close()
	}
}

// Gone reports whether augtool has ended, or can no longer be relied on. The handle is of
// no more use then.
func (h *Handle) Gone() bool { return h.tool.gone }

// copyIn copies the files that lenses are for.
func (h *Handle) copyIn(ctx context.Context) error {
	answer, err := h.ask(ctx, "match", "/augeas/load/*/incl")
	if err != nil {
		return err
	}
	var patterns []string
	for line := range strings.SplitSeq(strings.TrimSuffix(answer, "\n"), "\n") {
		// A pattern of several lines does not occur.
		if node, ok := parseNode(line); ok {
			if pattern, ok := strings.CutPrefix(line[len(node):], " = "); ok {
				patterns = append(patterns, pattern)
			}
		}
	}
	if len(patterns) == 0 {
		return nil
	}
	return h.files.copyIn(ctx, patterns)
}

// Load reads files again, as they are now. Of those that have not changed the tree keeps
// what it is.
func (h *Handle) Load(ctx context.Context) error {
	if err := h.copyIn(ctx); err != nil {
		return err
	}
	return h.do(ctx, "load")
}

// Save copies what files of the guest are now, as Augeas reads those that it writes, has
// them written, and copies back what has changed.
func (h *Handle) Save(ctx context.Context) error {
	if err := h.copyIn(ctx); err != nil {
		return err
	}
	_, err := h.ask(ctx, "save") // says how many files
	var said *Error
	if err != nil && !errors.As(err, &said) {
		return err
	}
	if werr := h.files.copyOut(ctx); werr != nil {
		return werr
	}
	return err
}
