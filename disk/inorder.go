package disk

import (
	"context"
	"iter"
	"sync"
)

const (
	// workers is how many parts are dealt with at once. It is more than a machine may have
	// processors, since some wait for a disk or a network.
	workers = 8
	// window is how many parts at most are behind the first that is not done: a stream,
	// which is written in order, keeps those that come early.
	window = 16
)

// inOrder has workers do something with each part, several at once, and returns what comes
// of it in the order of the parts. newWorker is called for each worker, which then has
// buffers of its own. After an error, which may be that of ctx, there is nothing more. When
// the loop over it ends, so have the workers.
func inOrder[T any](ctx context.Context, parts iter.Seq2[part, error], newWorker func() func(part) (T, error)) iter.Seq2[T, error] {
	type outcome struct {
		value T
		err   error
	}
	type job struct {
		part part
		done chan outcome // has room for one
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		todo, waiting := make(chan job), make(chan job, window)
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				do := newWorker()
				for j := range todo {
					var o outcome
					o.value, o.err = do(j.part)
					j.done <- o
				}
			})
		}
		all.Go(func() {
			defer close(waiting)
			defer close(todo)
			for p, err := range parts {
				j := job{p, make(chan outcome, 1)}
				select {
				case waiting <- j:
				case <-ctx.Done():
					return
				}
				if err != nil {
					j.done <- outcome{err: err}
					return
				}
				select {
				case todo <- j:
				case <-ctx.Done():
					j.done <- outcome{err: context.Cause(ctx)}
					return
				}
			}
		})
		defer all.Wait()
		defer cancel()
		for j := range waiting {
			o := <-j.done
			if o.err == nil && ctx.Err() != nil {
				o.err = context.Cause(ctx)
			}
			if !yield(o.value, o.err) || o.err != nil {
				return
			}
		}
		if ctx.Err() != nil {
			var none T
			yield(none, context.Cause(ctx))
		}
	}
}
