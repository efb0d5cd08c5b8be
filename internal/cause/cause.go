// Package cause says why a context has ended, in an error that both those who gave the
// reason and those who know only package context find theirs in.
package cause

import (
	"context"
	"errors"
)

// Of returns context.Cause(ctx), wrapped together with ctx.Err() if it does not
// wrap that itself: errors.Is finds the caller's own reason and context.Canceled or
// context.DeadlineExceeded, by which most code tells that the end was asked for. The
// text is the reason's. It is nil while ctx has not ended.
func Of(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	reason := context.Cause(ctx)
	if errors.Is(reason, err) {
		return reason
	}
	return &ended{reason, err}
}

type ended struct{ reason, err error }

func (e *ended) Error() string   { return e.reason.Error() }
func (e *ended) Unwrap() []error { return []error{e.reason, e.err} }
