package cause

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestOf(t *testing.T) {
	own := errors.New("the disk was pulled")
	both := fmt.Errorf("gave up: %w", context.Canceled)
	for _, tt := range []struct {
		reason error
		text   string
	}{
		{nil, context.Canceled.Error()},
		{own, own.Error()},
		{both, both.Error()},
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		if err := Of(ctx); err != nil {
			t.Errorf("%v before the end", err)
		}
		cancel(tt.reason)
		err := Of(ctx)
		if err.Error() != tt.text || !errors.Is(err, context.Canceled) || tt.reason != nil && !errors.Is(err, tt.reason) {
			t.Errorf("%v: %v", tt.reason, err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), 0, own)
	defer cancel()
	<-ctx.Done()
	if err := Of(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, own) {
		t.Error(err)
	}
}
