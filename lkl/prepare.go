package lkl

import "sync/atomic"

// A preparation is a kernel that Prepare has started.
type preparation struct {
	c       Config
	started chan struct{} // closed when s and err are set
	s       *state
	err     error
}

// waiting is the kernel that Prepare has started for the next Boot, or nil.
var waiting atomic.Pointer[preparation]

// Prepare starts a kernel in the background, which the next [Boot] returns if its Config is as
// cfg but for Log, and which that Boot kills otherwise. It is for a program that knows what
// it will boot before it is ready to: a command that begins with Prepare reads its arguments,
// and finds the image, while the kernel starts. It does nothing if such a kernel waits
// already.
//
// The kernel that nobody boots is idle until [Unprepare], or until the program ends, and ends
// with it.
func Prepare(cfg *Config) {
	c, err := cfg.withDefaults()
	if err != nil {
		return // Boot will say so
	}
	p := &preparation{c: c, started: make(chan struct{})}
	if !waiting.CompareAndSwap(nil, p) {
		return
	}
	go func() {
		p.s, p.err = start(&p.c)
		close(p.started)
	}()
}

// Unprepare ends a kernel that was prepared and has not been booted, and returns when it is
// gone. A program that ends without it leaves a child to the process that adopts orphans, which
// in a container may be one that never waits for any.
func Unprepare() {
	if p := waiting.Swap(nil); p != nil {
		p.discard()
	}
}

// started returns a kernel for c that has been started: the prepared one, if it is as c wants it.
func started(c *Config) (*state, error) {
	p := waiting.Swap(nil)
	if p == nil {
		return start(c)
	}
	if !p.c.startsAs(c) {
		go p.discard()
		return start(c)
	}
	<-p.started
	if p.err != nil {
		return nil, p.err
	}
	p.s.logFunc = c.Log
	return p.s, nil
}

// startsAs reports whether a kernel that was started for c serves one who wants other.
func (c *Config) startsAs(other *Config) bool {
	return c.Memory == other.Memory && c.Workers == other.Workers && c.Programs == other.Programs && c.Clock.Equal(other.Clock) &&
		c.Cmdline == other.Cmdline && c.Testing == other.Testing && c.spoil == nil && other.spoil == nil
}

// discard ends a kernel that nobody takes.
func (p *preparation) discard() {
	<-p.started
	if p.err == nil {
		p.s.kill(ErrClosed)
		p.s.watch(func() bool { return true })
	}
}
