package lkl

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl/internal/vmlinux"
)

// ErrNoPrograms is wrapped by the error of [Kernel.Exec] where no program can run at all:
// [Config.Programs] is 0, or the kernel image was built without what it takes. The text
// says which.
var ErrNoPrograms = errors.New("lkl: programs cannot run")

// MaxPrograms is how many programs of one kernel can run at a time, those that they start
// aside.
const MaxPrograms = 32

// programs is what a kernel needs to run programs. Nothing of it is there before the first
// one: the memory, which both the kernel and the address spaces of programs map, and the
// spawner, a process that makes these address spaces.
type programs struct {
	size uint64 // bytes of memory; 0: there are to be no programs

	mu      sync.Mutex
	memory  int   // guarded by mu: a memfd, until kernel and spawner have it; or -1
	told    bool  // guarded by mu: the kernel takes programs
	never   error // guarded by mu: why it does not, and never will
	started bool  // guarded by mu: the spawner runs, or has run
	over    bool  // guarded by mu: the kernel has ended

	spawner child
	ended   chan struct{} // closed when the spawner has been reaped

	running atomic.Int32 // see MaxPrograms
}

func (p *programs) init(size int64) {
	p.size = uint64(size)
	p.memory = -1
	p.ended = make(chan struct{})
}

// StartPrograms makes what programs need, as the first [Kernel.Exec] does otherwise: to know
// early whether any can run. The kernel has as many workers then as there can be. The error wraps [ErrNoPrograms] if not.
func (k *Kernel) StartPrograms() error {
	p := &k.state.programs
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.never != nil:
		return p.never
	case p.over:
		return k.endError()
	case p.started:
		return nil
	case p.size == 0:
		return fmt.Errorf("%w: the kernel was started without memory for them", ErrNoPrograms)
	}
	stub, err := vmlinux.Stub()
	if err == vmlinux.ErrMissing {
		return fmt.Errorf("%w: this program was built without the stub (run make)", ErrNoPrograms)
	} else if err != nil {
		return fmt.Errorf("lkl: stub: %w", err)
	}
	defer stub.Close()
	if p.memory < 0 {
		if p.memory, err = programMemory(int64(p.size)); err != nil {
			return err
		}
	}
	if !p.told {
		err := k.tellPrograms(p.memory)
		if errors.Is(err, unix.ENOSYS) {
			err = fmt.Errorf("%w: the kernel was built without them", ErrNoPrograms)
			p.never = err
		}
		if err != nil {
			p.drop()
			return err
		}
		p.told = true
	}
	if err := k.startSpawner(stub); err != nil {
		return err // the memory is kept: the kernel has it
	}
	p.drop()
	return nil
}

// drop closes this side's descriptor of the memory.
//
// Preconditions: mu is held.
func (p *programs) drop() {
	if p.memory >= 0 {
		unix.Close(p.memory)
	}
	p.memory = -1
}

// mfdNoexecSeal is MFD_NOEXEC_SEAL of memfd_create(2), which hosts before Linux 6.3 do not
// know: the file cannot be executed, though what it holds can be mapped to be.
const mfdNoexecSeal = 0x8

// programMemory makes the memory of programs, and what kernel and spawner share after it.
func programMemory(size int64) (int, error) {
	const name = "unboot-programs"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|mfdNoexecSeal)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, fmt.Errorf("lkl: memory of programs: memfd_create: %w", err)
	}
	if err := unix.Ftruncate(fd, size+controlSize); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("lkl: memory of programs: ftruncate: %w", err)
	}
	// One of the processes that have it could otherwise kill the others by SIGBUS.
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("lkl: sealing the memory of programs: %w", err)
	}
	return fd, nil
}

// tellPrograms passes the memory to the kernel.
func (k *Kernel) tellPrograms(memory int) error {
	s := k.state
	// A kernel that does not know the request would leave the descriptor where it is.
	if _, err := k.call(opKill, ^uint64(0), 0, 0); errors.Is(err, unix.ENOSYS) {
		return err
	}
	s.attachMu.Lock()
	defer s.attachMu.Unlock()
	c, err := k.begin()
	if err != nil {
		return err
	}
	defer c.end()
	// Waiting for programs, and for what they write, takes a worker each: others are
	// to have as many as before.
	atomic.StoreUint32(&s.w.header.Workers, MaxWorkers)
	return s.pass(c, []int{memory}, opPrograms)
}

// startSpawner starts the process that makes address spaces, and follows it.
//
// Preconditions: programs.mu is held.
func (k *Kernel) startSpawner(stub *vmlinux.Image) error {
	s, p := k.state, &k.state.programs
	files := []uintptr{uintptr(p.memory)}
	clear, err := stub.Clear(files)
	if err != nil {
		return fmt.Errorf("lkl: stub: %w", err)
	}
	defer clear.Close()
	pid, err := spawn(clear.Path(), []string{"unboot-stub", strconv.FormatUint(p.size, 10)}, files)
	if err != nil {
		return fmt.Errorf("lkl: starting the stub: %w", err)
	}
	p.spawner.pid, p.started = pid, true
	go s.watchSpawner()
	return nil
}

// watchSpawner ends a kernel whose spawner has ended: nobody would run its programs.
func (s *state) watchSpawner() {
	status := s.programs.spawner.wait()
	s.kill(&spawnerError{status}) // changes nothing if that is why the spawner has ended
	close(s.programs.ended)
}

// endPrograms ends the spawner, when the kernel has ended, and waits until it is gone. The
// address spaces that it has made end with it.
func (s *state) endPrograms() {
	p := &s.programs
	p.mu.Lock()
	p.over = true
	p.drop()
	started := p.started
	p.mu.Unlock()
	if started {
		p.spawner.kill()
		<-p.ended
	}
}

// A spawnerError is why a kernel was killed whose spawner has ended.
type spawnerError struct{ status unix.WaitStatus }

func (e *spawnerError) Error() string {
	const what = "the process that makes its programs' memory has ended: "
	if e.status.Signaled() {
		return what + e.status.Signal().String()
	}
	return what + fmt.Sprintf("exit code %d", e.status.ExitStatus())
}
