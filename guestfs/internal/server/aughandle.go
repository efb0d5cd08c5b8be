package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// augeas is the one handle of Augeas that programs can have open. It holds no file of the
// guest open: its files are copied when it is told to load, and again when it is to save.
type augeas struct {
	w     *workshop
	tool  *augtool
	files *augFiles

	undefined map[string]bool // variables that were taken away: augtool has them still
}

// The flags of aug_init that augtool knows by other names.
const (
	augSaveNoop = 1 << 4
	augNoLoad   = 1 << 5
)

var augOptions = map[int]string{0: "-b", 1: "-n", 2: "-c", 3: "-S", 6: "-A"}

// newAugeas starts Augeas with a directory of the guest as its root.
func (s *Server) newAugeas(ctx context.Context, root string, flags int) (a *augeas, err error) {
	a = &augeas{}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if a.w, err = newWorkshop(); err != nil {
		return nil, err
	}
	a.files = &augFiles{s: s, guest: strings.TrimRight(root, "/"), owner: a.w.owner}
	dir := filepath.Join(a.w.dir, "root")
	if err = os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if a.files.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	if err = a.files.chown("."); err != nil {
		return nil, err
	}
	var args []string
	for bit, option := range augOptions {
		if flags&(1<<bit) != 0 {
			args = append(args, option)
		}
	}
	if a.tool, err = startAugtool(a.w, dir, a.files.guest, args...); err != nil {
		return nil, err
	}
	if flags&augSaveNoop != 0 {
		if _, err = a.tool.ask(ctx, "set", "/augeas/save", "noop"); err != nil {
			return nil, err
		}
	}
	if flags&augNoLoad == 0 {
		err = a.load(ctx)
	}
	return a, err
}

func (a *augeas) close() {
	if a.tool != nil {
		a.tool.close()
	}
	if a.files != nil && a.files.root != nil {
		a.files.root.Close()
	}
	if a.w != nil {
		a.w.close()
	}
}

// copyIn copies the files that lenses are for.
func (a *augeas) copyIn(ctx context.Context) error {
	answer, err := a.tool.ask(ctx, "match", "/augeas/load/*/incl")
	if err != nil {
		return err
	}
	var patterns []string
	for line := range strings.SplitSeq(strings.TrimSuffix(answer, "\n"), "\n") {
		// A pattern of several lines is none that anybody has.
		if node, ok := parseAugNode(line); ok {
			if pattern, ok := strings.CutPrefix(line[len(node):], " = "); ok {
				patterns = append(patterns, pattern)
			}
		}
	}
	if len(patterns) == 0 {
		return nil
	}
	return a.files.copyIn(ctx, patterns)
}

func (a *augeas) load(ctx context.Context) error {
	if err := a.copyIn(ctx); err != nil {
		return err
	}
	return a.do(ctx, "load")
}

// save copies what files of the guest are now, as Augeas reads those that it writes, has
// them written, and copies back what has changed.
func (a *augeas) save(ctx context.Context) error {
	if err := a.copyIn(ctx); err != nil {
		return err
	}
	_, err := a.tool.ask(ctx, "save") // says how many files
	var said *augError
	if err != nil && !errors.As(err, &said) {
		return err
	}
	if werr := a.files.copyOut(ctx); werr != nil {
		return werr
	}
	return err
}

// do gives a command that has no answer.
func (a *augeas) do(ctx context.Context, words ...string) error {
	answer, err := a.tool.ask(ctx, words...)
	if err == nil && answer != "" {
		err = badAnswer(answer)
	}
	return err
}

// count returns how many nodes a quoted path expression matches.
func (a *augeas) count(ctx context.Context, path string) (int, error) {
	answer, err := a.tool.ask(ctx, "count", path)
	if err != nil {
		return 0, err
	}
	return parseAugCount(answer)
}

// match returns the paths of the nodes that a path expression matches.
func (a *augeas) match(ctx context.Context, path string) ([]string, error) {
	word, err := a.path(path)
	if err != nil {
		return nil, err
	}
	n, err := a.count(ctx, word)
	if err != nil || n == 0 {
		return nil, err
	}
	answer, err := a.tool.ask(ctx, "match", word)
	if err != nil {
		return nil, err
	}
	paths, ok := parseAugMatch(answer, n)
	if ok {
		return paths, nil
	}
	// One by one: what follows the first path can be nothing but its value.
	paths = make([]string, n)
	for i := range paths {
		word, err := a.path(fmt.Sprintf("(%s)[%d]", path, i+1))
		if err != nil {
			return nil, err
		}
		answer, err := a.tool.ask(ctx, "match", word)
		if err != nil {
			return nil, err
		}
		if paths[i], ok = parseAugNode(answer); !ok {
			return nil, badAnswer(answer)
		}
	}
	return paths, nil
}

// value asks get or label about a path expression. The error is errAugNoNode or
// errAugNoValue if there is none.
func (a *augeas) value(ctx context.Context, command, path string) (string, error) {
	word, err := a.path(path)
	if err != nil {
		return "", err
	}
	answer, err := a.tool.ask(ctx, command, word)
	if err != nil {
		return "", err
	}
	before, after := augAround(path)
	return parseAugValue(before+path+after, answer)
}

// path quotes a path expression. It must have no variable that was taken away.
func (a *augeas) path(s string) (string, error) {
	for name := range a.undefined {
		for i := 0; i < len(s); i++ {
			if end := i + 1 + len(name); s[i] == '$' && strings.HasPrefix(s[i+1:], name) && (end == len(s) || !augNameByte(s[end])) {
				return "", &augError{"Invalid path expression", "undefined variable", s[:end] + "|=|" + s[end:]}
			}
		}
	}
	return augPath(s)
}

// augNameByte reports whether the name of a variable goes on with a byte.
func augNameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// defined keeps in mind that a variable is there, or is no longer.
func (a *augeas) defined(name string, there bool) {
	if a.undefined == nil {
		a.undefined = map[string]bool{}
	}
	delete(a.undefined, name)
	if !there {
		a.undefined[name] = true
	}
}

// undefine takes a variable away. augtool cannot, but its list of them is a tree too.
func (a *augeas) undefine(ctx context.Context, name string) error {
	a.defined(name, false)
	node, err := a.path("/augeas/variables/" + augLabel(name))
	if err != nil {
		return err
	}
	_, err = a.tool.ask(ctx, "rm", node)
	return err
}

// countSet returns how many nodes setm will change: for each node of base those that sub
// is there, or the one that will be made.
func (a *augeas) countSet(ctx context.Context, base string, sub *string) (int, error) {
	count := func(format string, args ...any) (int, error) {
		word, err := a.path(fmt.Sprintf(format, args...))
		if err != nil {
			return 0, err
		}
		return a.count(ctx, word)
	}
	all, err := count("%s", base)
	if err != nil || sub == nil || all == 0 {
		return all, err
	}
	there, err := count("(%s)/%s", base, *sub)
	if err != nil {
		return 0, err
	}
	with, err := count("(%s)[%s]", base, *sub)
	return there + all - with, err
}

// withAug calls f with the handle, and words what augtool says as the daemon does, after
// the arguments. An augtool that can no longer be relied on is closed.
func (s *Server) withAug(procedure string, args []string, f func(a *augeas) error) error {
	a := s.aug
	if a == nil {
		return errorf("do_%s: you must call 'aug-init' first to initialize Augeas", procedure)
	}
	err := f(a)
	if a.tool.gone {
		s.closeAug()
	}
	return augWorded(procedure, args, err)
}

func augWorded(procedure string, args []string, err error) error {
	before := strings.Join(append([]string{procedure}, args...), ": ")
	var said *augError
	if errors.As(err, &said) {
		if said.message == augFailed {
			// The library has failed, and has nothing to say.
			said = &augError{message: "No error"}
		}
		return errorf("%s: %v", before, said)
	}
	if errors.Is(err, errAugBrackets) || errors.Is(err, unix.EINVAL) {
		return perror(err, "%s", before)
	}
	return err
}

// closeAug ends Augeas, if it is open. What was not saved is lost.
func (s *Server) closeAug() {
	if s.aug != nil {
		s.aug.close()
		s.aug = nil
	}
}
