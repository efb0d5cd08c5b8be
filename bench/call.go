package main

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// benchCall: the round trip of a system call that does nothing, close(-1).
func benchCall(e *env) ([]row, error) {
	k, err := lkl.Boot(context.Background(), nil)
	if err != nil {
		return nil, err
	}
	defer k.Kill()
	const calls = 1000
	hot := &side{name: "call", run: func() (sample, error) {
		start := time.Now()
		for range calls {
			k.CloseFd(-1)
		}
		return sample{wall: time.Since(start) / calls}, nil
	}}
	host := &side{name: "host", run: func() (sample, error) {
		start := time.Now()
		for range calls {
			unix.Close(-1)
		}
		return sample{wall: time.Since(start) / calls}, nil
	}}
	sh, shost, err := e.pairs(100, hot, host)
	if err != nil {
		return nil, err
	}

	f, err := newFutexPair(e.bench)
	if err != nil {
		return nil, err
	}
	defer f.close()
	idle := &side{name: "idle call", run: func() (sample, error) {
		time.Sleep(time.Millisecond) // both sides sleep after some 50 µs
		start := time.Now()
		k.CloseFd(-1)
		return sample{wall: time.Since(start)}, nil
	}}
	floor := &side{name: "futex", run: func() (sample, error) {
		time.Sleep(time.Millisecond)
		d, err := f.wake()
		return sample{wall: d}, err
	}}
	si, sf, err := e.pairs(400, idle, floor)
	if err != nil {
		return nil, err
	}
	const hint = "go test -run '^$' -bench 'BenchmarkCall' -cpuprofile cpu.out ./lkl"
	return []row{
		compare("system call from Go, hot", sh, "the host's, from Go", shost, 2*time.Microsecond, 0, hint),
		compare("system call from Go, both sides idle", si, "one futex wake of a sleeping process", sf, 0, 1.5, hint),
	}, nil
}
