package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
	// Raw system calls: the scheduler of Go is not part of the floor.
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
