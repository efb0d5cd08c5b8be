package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// progress is the line on a terminal that says how far long work is. It shows
// up after half a second, so that short work is not disturbed.
type progress struct {
	bytes, files atomic.Int64
	total        int64 // bytes to come, 0 if not known
	start        time.Time
	stop         chan struct{}
	wait         sync.WaitGroup

	mu    sync.Mutex
	shown bool
}

const (
	progressDelay    = 500 * time.Millisecond
	progressInterval = 200 * time.Millisecond
)

// startProgress begins to show progress if standard error is a terminal. The
// counters can be used in any case.
func (a *app) startProgress(total int64, quiet bool) *progress {
	p := &progress{total: total, start: time.Now(), stop: make(chan struct{})}
	if quiet || !isTerminal(os.Stderr) {
		return p
	}
	a.progress = p
	p.wait.Go(p.run)
	return p
}

func (p *progress) run() {
	delay := progressDelay
	for {
		select {
		case <-p.stop:
			p.clear()
			return
		case <-time.After(delay):
		}
		delay = progressInterval
		p.mu.Lock()
		p.shown = true
		fmt.Fprintf(os.Stderr, "\r%s\x1b[K", p.line(time.Since(p.start)))
		p.mu.Unlock()
	}
}

// line is the text after a time.
func (p *progress) line(took time.Duration) string {
	n, files := p.bytes.Load(), p.files.Load()
	s := human(uint64(n))
	if files > 1 {
		s = fmt.Sprintf("%d files, %s", files, s)
	}
	if took > 0 {
		s += fmt.Sprintf(", %s/s", human(uint64(float64(n)/took.Seconds())))
	}
	if p.total <= 0 {
		return s
	}
	const width = 30
	part := min(float64(n)/float64(p.total), 1)
	bar := strings.Repeat("#", int(part*width))
	s = fmt.Sprintf("[%-*s] %3d%% %s", width, bar, int(part*100), s)
	if part > 0.01 && part < 1 {
		left := time.Duration(float64(took) * (1 - part) / part)
		s += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return s
}

// clear takes the line away, for a message or for good.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
		p.shown = false
	}
}

// end stops showing. It may be called again.
func (p *progress) end() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
		p.wait.Wait()
	}
}

// counter counts bytes as they pass.
type counter struct{ p *progress }

func (c counter) Write(b []byte) (int, error) {
	c.p.bytes.Add(int64(len(b)))
	return len(b), nil
}
