package treecopy

import (
	"fmt"
	"sync/atomic"
)

// A Report takes what a transfer has to say. Every field may be left out. The functions
// are called in the order of the tree, but for Lost, which several goroutines call. name is
// the label of what an error is about.
type Report struct {
	// Fail is called with an error about one file, which was not moved whole. An
	// error that it returns ends the work; so does the first one if there is no Fail.
	Fail func(name string, err error) error
	// Warn is called about a file that is left out because nothing else could be
	// done with it, such as a socket in an archive.
	Warn func(name string, err error)
	// Lost is called about an extended attribute that was not kept, or about the
	// owner if attr is "".
	Lost func(name, attr string, err error)
	// Tell is called with what is about to be written.
	Tell func(name string)
	// Files and Bytes count what was moved.
	Files, Bytes *atomic.Int64
}

func (r *Report) fail(name string, err error) error {
	if r.Fail == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return r.Fail(name, err)
}

func (r *Report) warn(name string, err error) {
	if r.Warn != nil {
		r.Warn(name, err)
	}
}

func (r *Report) lost(name, attr string, err error) {
	if r.Lost != nil {
		r.Lost(name, attr, err)
	}
}

// moved counts a file.
func (r *Report) moved() {
	if r.Files != nil {
		r.Files.Add(1)
	}
}

// passed counts bytes.
func (r *Report) passed(n int) {
	if r.Bytes != nil {
		r.Bytes.Add(int64(n))
	}
}

// counter counts bytes as they pass.
type counter struct{ r *Report }

func (c counter) Write(b []byte) (int, error) {
	c.r.passed(len(b))
	return len(b), nil
}
