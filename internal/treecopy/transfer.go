package treecopy

import (
	"context"
	"sync"
)

const (
	// smallFile is up to what size files are loaded ahead.
	smallFile = 128 << 10
	// A batch of items goes through the goroutines at once: their number
	// and bytes bound what waits in memory.
	batchItems  = 40
	batchBytes  = 512 << 10
	loadWorkers = 6
)

// A batch is a run of items that are loaded by one goroutine.
type batch struct {
	items []*Item
	size  int64
	ready chan struct{}
}

// Transfer moves a tree. It returns why the work has ended early: an error of the context,
// of the sink as a whole, of reading an archive, or one that the sink's [Report] did not
// accept. What came before is whole in any case.
func Transfer(ctx context.Context, src Source, dst Sink) error {
	dst.start()
	defer dst.close()
	if src.ahead() {
		return loadAhead(ctx, src, dst)
	}
	err := inOrder(ctx, src, dst)
	if ferr := dst.finish(); err == nil {
		err = ferr
	}
	return err
}

// inOrder moves a tree of which each item is put before the next is read.
func inOrder(ctx context.Context, src Source, dst Sink) error {
	for it, err := range src.items(ctx) {
		if err == nil {
			err = dst.add(it, src)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// loadAhead moves a tree: one goroutine walks ahead, several load, and this one
// puts, in the order of the walk.
func loadAhead(ctx context.Context, src Source, dst Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	ordered := make(chan *batch, 2*loadWorkers)
	work := make(chan *batch, 2*loadWorkers)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	for range loadWorkers {
		wg.Go(func() {
			for b := range work {
				if ctx.Err() == nil {
					src.load(b.items)
				}
				close(b.ready)
			}
		})
	}
	var walkErr error // of the goroutine below, set before ordered is closed
	wg.Go(func() {
		defer close(ordered)
		defer close(work)
		b := &batch{ready: make(chan struct{})}
		send := func() bool {
			select {
			case ordered <- b:
			case <-ctx.Done():
				return false
			}
			work <- b // has room for all that ordered has
			b = &batch{ready: make(chan struct{})}
			return true
		}
		for it, err := range src.items(ctx) {
			if err != nil {
				walkErr = err
				break
			}
			b.items = append(b.items, it)
			if it.Meta.Size <= smallFile {
				b.size += it.Meta.Size
			}
			if (len(b.items) >= batchItems || b.size >= batchBytes) && !send() {
				return
			}
		}
		if len(b.items) > 0 {
			send()
		}
	})

	stand := standIns{}
	for b := range ordered {
		<-b.ready
		for _, it := range b.items {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := stand.add(it, src, dst); err != nil {
				return err
			}
			it.data = nil
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := dst.finish(); err != nil || walkErr == nil {
		return err
	}
	return walkErr
}

// standIns knows what stands in for files with several names that were left out by
// their first: the next name that was not, or "" as long as there is none. A link to
// what was left out would be one to something else, or to nothing.
type standIns map[string]string

// add puts an item.
func (s standIns) add(it *Item, src Source, dst Sink) error {
	first := it.Path
	if it.Hard != "" {
		first = it.Hard
		switch other, ok := s[first]; {
		case ok && other == "":
			it.Hard = ""
			src.load([]*Item{it})
		case ok:
			it.Hard = other
		}
	}
	if err := dst.add(it, src); err != nil {
		return err
	}
	switch {
	case it.Hard != "":
	case it.left && (it.shared || first != it.Path):
		s[first] = ""
	case first != it.Path:
		s[first] = it.Path
	}
	return nil
}
