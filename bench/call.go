package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

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
	hot := &side{"call", func() (sample, error) {
		start := time.Now()
		for range calls {
			k.CloseFd(-1)
		}
		return sample{wall: time.Since(start) / calls}, nil
	}}
	host := &side{"host", func() (sample, error) {
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

	f, err := newFutexPair(e.self)
	if err != nil {
		return nil, err
	}
	defer f.close()
	idle := &side{"idle call", func() (sample, error) {
		time.Sleep(time.Millisecond) // both sides sleep after some 50 µs
		start := time.Now()
		k.CloseFd(-1)
		return sample{wall: time.Since(start)}, nil
	}}
	floor := &side{"futex", func() (sample, error) {
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
		compare("system call from Go, both sides idle", si, "one futex wake of a sleeping process", sf, 15*time.Microsecond, 0, hint),
	}, nil
}

// A futexPair is the floor of what waking another process costs: this one writes a word
// and wakes, the other answers by a second word, for which this one spins.
type futexPair struct {
	cmd   *exec.Cmd
	words []uint32
	seq   uint32
}

const (
	futexWait = 0 // FUTEX_WAIT, FUTEX_WAKE of futex(2)
	futexWake = 1
	futexEnd  = ^uint32(0)
)

func futex(word *uint32, op, val uint32) {
	// Raw: the scheduler of Go has no part in the floor.
	unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), uintptr(op), uintptr(val), 0, 0, 0)
}

func newFutexPair(self string) (*futexPair, error) {
	fd, err := unix.MemfdCreate("bench", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "memfd")
	defer file.Close()
	if err := file.Truncate(4096); err != nil {
		return nil, err
	}
	words, err := mapWords(fd)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "child", "futex")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stderr = os.Stderr
	return &futexPair{cmd: cmd, words: words}, cmd.Start()
}

func (f *futexPair) wake() (time.Duration, error) {
	f.seq++
	start := time.Now()
	atomic.StoreUint32(&f.words[0], f.seq)
	futex(&f.words[0], futexWake, 1)
	for i := 0; atomic.LoadUint32(&f.words[16]) != f.seq; i++ {
		if i%1000 == 0 && time.Since(start) > 5*time.Second {
			return 0, fmt.Errorf("no answer")
		}
	}
	return time.Since(start), nil
}

func (f *futexPair) close() {
	atomic.StoreUint32(&f.words[0], futexEnd)
	futex(&f.words[0], futexWake, 1)
	f.cmd.Wait()
}

func futexChild() error {
	runtime.LockOSThread()
	words, err := mapWords(3)
	if err != nil {
		return err
	}
	for seen := uint32(0); ; {
		for atomic.LoadUint32(&words[0]) == seen {
			futex(&words[0], futexWait, seen)
		}
		seen = atomic.LoadUint32(&words[0])
		if seen == futexEnd {
			return nil
		}
		atomic.StoreUint32(&words[16], seen)
	}
}

func mapWords(fd int) ([]uint32, error) {
	mem, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*uint32)(unsafe.Pointer(&mem[0])), 1024), nil
}
