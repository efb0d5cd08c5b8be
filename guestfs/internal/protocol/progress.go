package protocol

import (
	"sync"
	"time"
)

// The times at which the library hears how far a call is: guestfs(3), PROGRESS MESSAGES.
const (
	firstProgress = 2 * time.Second
	nextProgress  = time.Second / 3
)

// progress sends the progress of one call.
type progress struct {
	send func(Progress) error

	mu   sync.Mutex // guards what follows
	p    Progress   // the last one
	due  time.Time
	sent bool
	done bool
}

func (p *progress) begin(send func(Progress) error, h Header) {
	p.send = send
	p.p.Proc, p.p.Serial = h.Proc, h.Serial
	p.due = time.Now().Add(firstProgress)
}

func (p *progress) report(position, total uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || time.Now().Before(p.due) {
		return
	}
	p.due = time.Now().Add(nextProgress)
	if total == 0 {
		position, total = 0, 1
	}
	p.p.Position, p.p.Total = position, total
	p.sent = true
	p.send(p.p)
}

// finish sends that a call is complete, if the library was told of its progress, and
// sends nothing afterwards.
func (p *progress) finish(ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent && ok && !p.done && p.p.Position != p.p.Total {
		p.p.Position = p.p.Total
		p.send(p.p)
	}
	p.done = true
}
