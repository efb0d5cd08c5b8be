package lkl

import (
	"runtime"
	"sync/atomic"
	"time"
)

// How long a caller polls its call's state before it sleeps. Sleeping and
// being woken costs both sides some 10 µs, so calls that are answered sooner
// are polled for; what takes longer, because it waits for a disk, is not worth
// the processor.
const (
	spinMin   = 2 * time.Microsecond
	spinMax   = 50 * time.Microsecond
	spinWorth = 60 * time.Microsecond // a call this short deserves polling

	// Waking a kernel takes up to 100 µs where an idle processor of a
	// virtual machine has to be woken for it. Whoever has paid that should
	// not have to be woken in turn.
	spinWoke = 150 * time.Microsecond
)

// spinning counts the goroutines that poll, of all kernels: the processors
// that they would take are needed by the kernels, and by whoever serves their
// disks.
var spinning atomic.Int32

// maxSpinning is how many may.
var maxSpinning = int32(min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) - 1)

// A spinner is what a kernel has learned of the length of its calls.
type spinner struct {
	budget atomic.Int64 // ns
}

// A spun is the begin of a wait, if it was not over at once.
type spun struct {
	start time.Time
	slept bool
	woke  bool // the time says more about waking than about the call
}

// poll polls for a while until word is not callPosted. woke says that the kernel
// had to be woken.
func (s *spinner) poll(word *uint32, woke bool) spun {
	for range 16 {
		if atomic.LoadUint32(word) != callPosted {
			return spun{}
		}
		pause()
	}
	sp := spun{start: time.Now(), slept: true, woke: woke}
	budget := time.Duration(s.budget.Load())
	if woke {
		budget = max(budget, spinWoke)
	}
	if spinning.Add(1) <= maxSpinning {
		for time.Since(sp.start) < budget {
			for range 8 {
				if atomic.LoadUint32(word) != callPosted {
					sp.slept = false
					spinning.Add(-1)
					return sp
				}
				pause()
			}
		}
	}
	spinning.Add(-1)
	return sp
}

// learn adjusts the budget when the wait is over.
func (s *spinner) learn(sp spun) {
	if !sp.slept || sp.woke {
		return
	}
	b := time.Duration(s.budget.Load())
	if time.Since(sp.start) < spinWorth {
		b = min(2*b, spinMax)
	} else {
		b = max(b/2, spinMin)
	}
	s.budget.Store(int64(b))
}
