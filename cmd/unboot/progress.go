package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A progress is the line on a terminal that shows how far long work has got. It appears
// after half a second, so that short work leaves the terminal alone. The counters are
// atomic: the goroutines that do the work never wait for the terminal.
type progress struct {
	bytes, files atomic.Int64
	total        int64 // bytes to come, 0 if not known
	start        time.Time
	stop         chan struct{}
	wait         sync.WaitGroup

	mu    sync.Mutex // guards standard error and shown
	shown bool       // the line is on the terminal
}

const (
	progressDelay    = 500 * time.Millisecond
	progressInterval = 200 * time.Millisecond
)

// startProgress begins to show progress if standard error is a terminal. Otherwise, and if
// names are printed anyway, nothing is shown, but the counters work. A total of 0 shows
// neither a bar nor the time left.
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
		// The escape sequence erases the rest of a longer line before.
		fmt.Fprintf(os.Stderr, "\r%s\x1b[K", p.line(time.Since(p.start)))
		p.mu.Unlock()
	}
}

// line returns the text after a time.
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
	// The total is an estimate: a file may grow, or an archive be compressed.
	part := min(float64(n)/float64(p.total), 1)
	bar := strings.Repeat("#", int(part*width))
	s = fmt.Sprintf("[%-*s] %3d%% %s", width, bar, int(part*100), s)
	// The first percent is no base for an estimate.
	if part > 0.01 && part < 1 {
		left := time.Duration(float64(took) * (1 - part) / part)
		s += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return s
}

// clear erases the line, before a message or at the end. The next update shows it again.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
		p.shown = false
	}
}

// end erases the line for good, and returns when nothing more is written to the terminal.
// It may be called again, but not by several goroutines.
func (p *progress) end() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
		p.wait.Wait()
	}
}

// counter counts bytes as they pass, as the other end of an io.TeeReader.
type counter struct{ p *progress }

func (c counter) Write(b []byte) (int, error) {
	c.p.bytes.Add(int64(len(b)))
	return len(b), nil
}
