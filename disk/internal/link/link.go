package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/unboot/unboot/internal/cause"
)

// How long is waited between attempts to connect again.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
)

// ErrLost is returned when the connection is lost and no other one was made in time.
var ErrLost = errors.New("the connection to the server is lost")

// A LostError is why a connection is over. The request may be sent again on another one.
type LostError struct{ Err error }

func (e *LostError) Error() string   { return ErrLost.Error() + ": " + e.Err.Error() }
func (e *LostError) Unwrap() []error { return []error{ErrLost, e.Err} }

// A Conn is a connection. Its methods may be called from several goroutines at once.
type Conn interface {
	// Failed returns why it is over, or nil.
	Failed() error
	// End gives it up. The first reason counts.
	End(error)
}

// A Link is a connection that is made again when it is lost.
type Link[C Conn] struct {
	ctx      context.Context
	patience time.Duration
	again    func(context.Context) (C, error)
	final    func(error) bool
	stop     func() bool // that the context ends connections

	mu      sync.Mutex
	conn    C         // guarded by mu
	outage  *outage   // guarded by mu: while it is being connected again, or nil
	down    error     // guarded by mu: why that has failed the last time
	tried   time.Time // guarded by mu
	hurry   chan struct{}
	hurried time.Time // guarded by mu: when patience ends at the latest, if that is not zero
}

// An outage is the time without a connection.
type outage struct {
	done chan struct{}
	err  error // why there is no connection; read after done
}

// New returns the link of a connection, which ends with ctx. If it is lost, others are made by
// again, as long as patience lasts, or until there is an error that final is true for.
func New[C Conn](ctx context.Context, c C, patience time.Duration, again func(context.Context) (C, error), final func(error) bool) *Link[C] {
	l := &Link[C]{ctx: ctx, patience: patience, again: again, final: final, conn: c, hurry: make(chan struct{})}
	l.stop = context.AfterFunc(ctx, func() { l.Conn().End(cause.Of(ctx)) })
	return l
}

// Conn returns the connection, which may be lost.
func (l *Link[C]) Conn() C {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

// Close returns the connection, and leaves it to the caller to end it.
func (l *Link[C]) Close() C {
	l.stop()
	return l.Conn()
}

// Hurry has patience end after d from now on, for those who wait already, too.
func (l *Link[C]) Hurry(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hurried.IsZero() {
		l.hurried = time.Now().Add(d)
		close(l.hurry)
	}
}

// Do sends a request, and again on another connection if there was no answer to it: if the
// error of send wraps [ErrLost].
func (l *Link[C]) Do(send func(C) error) error {
	var first time.Time // that it was not answered
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		c, err := l.connection()
		if err != nil {
			return err
		}
		err = send(c)
		switch {
		case !errors.Is(err, ErrLost):
			return err
		case l.ctx.Err() != nil:
			return cause.Of(l.ctx)
		}
		switch {
		case first.IsZero():
			first = time.Now()
			continue
		case time.Now().After(l.limit(first.Add(l.patience))):
			return fmt.Errorf("the same request is not answered each time: %w", err)
		}
		l.pause(wait)
	}
}

// pause waits before another attempt.
func (l *Link[C]) pause(wait time.Duration) {
	hurry := l.hurry
	select {
	case <-hurry:
		hurry = nil // which has happened, and shortens nothing any more
	default:
	}
	select {
	case <-l.ctx.Done():
	case <-hurry:
	case <-time.After(wait):
	}
}

// limit returns when patience ends that would end at a time.
func (l *Link[C]) limit(end time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.hurried.IsZero() && l.hurried.Before(end) {
		return l.hurried
	}
	return end
}

// connection returns the connection, or waits for another one.
func (l *Link[C]) connection() (none C, err error) {
	l.mu.Lock()
	if l.ctx.Err() != nil {
		l.mu.Unlock()
		return none, cause.Of(l.ctx)
	}
	c := l.conn
	why := c.Failed()
	if why == nil {
		l.mu.Unlock()
		return c, nil
	}
	o := l.outage
	if o == nil {
		patience := l.patience
		if l.down != nil {
			// All was tried once. From now on, it must not take long.
			if patience = 0; time.Since(l.tried) < lastWait {
				defer l.mu.Unlock()
				return none, l.down
			}
		}
		o = &outage{done: make(chan struct{})}
		l.outage = o
		go l.reconnect(o, why, patience)
	}
	l.mu.Unlock()
	<-o.done
	if o.err != nil {
		return none, o.err
	}
	return l.Conn(), nil
}

// reconnect tries to connect until it is there, or patience is at an end.
func (l *Link[C]) reconnect(o *outage, why error, patience time.Duration) {
	c, err := l.retry(why, patience)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down, l.tried = err, time.Now(); err == nil {
		l.conn = c
		// The context may have ended before it was there to be ended.
		if l.ctx.Err() != nil {
			c.End(cause.Of(l.ctx))
		}
	}
	o.err, l.outage = err, nil
	close(o.done)
}

func (l *Link[C]) retry(why error, patience time.Duration) (none C, err error) {
	end := time.Now().Add(patience)
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		c, err := l.attempt(end)
		if err == nil || l.final(err) {
			return c, err
		}
		if l.ctx.Err() != nil {
			return none, cause.Of(l.ctx)
		}
		if time.Now().Add(wait).After(l.limit(end)) {
			return none, fmt.Errorf("%w: %w; connecting again: %w", ErrLost, why, err)
		}
		l.pause(wait)
	}
}

// attempt connects once, by the end of patience or not long after.
func (l *Link[C]) attempt(end time.Time) (C, error) {
	ctx, cancel := context.WithDeadline(l.ctx, l.limit(end).Add(lastWait))
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-done:
		case <-l.hurry:
			// One attempt may have begun with all the time that there was then.
			select {
			case <-done:
			case <-time.After(time.Until(l.limit(end))):
				cancel()
			}
		}
	}()
	return l.again(ctx)
}
