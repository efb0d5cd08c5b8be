package lkl

import (
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// slotScratch is the scratch memory that each call has of its own: two paths,
// or a path and what fits beside it. More comes from the arena.
const slotScratch = 2 * pathMax

// A call is one of the kernel's slots for calls, held by one goroutine from
// begin to end.
type call struct {
	k     *state
	owner *View // keeps it and the kernel from being collected meanwhile
	abi   *abiCall
	index uint32
	root  int32
	as    *abiIdentity // nil: root

	// The rest of the scratch memory, and its address for the kernel.
	mem  []byte
	addr uint64
	// Memory of the arena, if big is set.
	big    bool
	bigOff uint32

	number uint32 // guarded by k.mu: tells what was posted from what was posted before
	posted bool   // and not waited for yet
	over   bool   // the kernel has answered the last post
	woke   bool   // the kernel slept when it was posted
}

// begin takes a slot, and waits for one if 256 calls are in flight.
func (v *View) begin() (*call, error) {
	k := v.k.state
	k.mu.Lock()
	if k.dead {
		k.mu.Unlock()
		return nil, k.err
	}
	if n := len(k.idle); n > 0 {
		c := k.idle[n-1]
		k.idle = k.idle[:n-1]
		k.w.acquire()
		k.mu.Unlock()
		c.start(v)
		return c, nil
	}
	ch := make(chan *call, 1)
	k.waiting = append(k.waiting, ch)
	k.mu.Unlock()
	c, ok := <-ch
	if !ok {
		return nil, k.err
	}
	c.start(v)
	return c, nil
}

// beginPath is begin, and puts a path into the window.
func (v *View) beginPath(path string) (c *call, addr uint64, err error) {
	if c, err = v.begin(); err != nil {
		return nil, 0, err
	}
	if addr, err = c.path(path); err != nil {
		c.end()
		return nil, 0, err
	}
	return c, addr, nil
}

// tryBegin is begin that returns nil instead of waiting.
func (v *View) tryBegin() *call {
	k := v.k.state
	k.mu.Lock()
	n := len(k.idle)
	if k.dead || n == 0 {
		k.mu.Unlock()
		return nil
	}
	c := k.idle[n-1]
	k.idle = k.idle[:n-1]
	k.w.acquire()
	k.mu.Unlock()
	c.start(v)
	return c
}

func (c *call) start(v *View) {
	c.owner, c.root, c.as = v, v.root, v.as
	off := uint64(offArena + c.index*slotScratch)
	c.mem = c.k.w.mem[off : off+slotScratch]
	c.addr = windowBase + off
	c.over = false
}

// end gives the slot back.
func (c *call) end() {
	if c.posted { // the caller has returned early: the slot is still the kernel's
		c.wait()
	}
	k := c.k
	if c.big {
		k.scratch.free(c.bigOff)
		c.big = false
	}
	c.owner, c.mem = nil, nil
	k.mu.Lock()
	if len(k.waiting) > 0 && !k.dead {
		ch := k.waiting[0]
		k.waiting = k.waiting[1:]
		k.mu.Unlock()
		ch <- c // and the hold of the window with it
		return
	}
	k.idle = append(k.idle, c)
	k.mu.Unlock()
	k.w.release()
}

// reserve makes sure of n bytes of scratch memory. It is called first, and
// once: no call may wait for memory while it holds some.
//
// Preconditions: n is at most twice maxPiece.
func (c *call) reserve(n int) error {
	if n <= len(c.mem) {
		return nil
	}
	off, err := c.k.scratch.alloc(n)
	if err != nil {
		return err
	}
	c.useBig(off, n)
	return nil
}

// tryReserve is reserve that returns false instead of waiting.
func (c *call) tryReserve(n int) bool {
	if n <= len(c.mem) {
		return true
	}
	off, ok := c.k.scratch.tryAlloc(n)
	if ok {
		c.useBig(off, n)
	}
	return ok
}

func (c *call) useBig(off uint32, n int) {
	c.big, c.bigOff = true, off
	c.mem = c.k.w.mem[off : int(off)+n]
	c.addr = windowBase + uint64(off)
}

// room takes n bytes of the scratch memory, and returns them and their
// address for the kernel.
//
// Preconditions: what is taken is at most slotScratch or what was reserved,
// paths counting for all they need.
func (c *call) room(n int) ([]byte, uint64) {
	mem, addr := c.mem[:n:n], c.addr
	up := min((n+7)&^7, len(c.mem))
	c.mem = c.mem[up:]
	c.addr += uint64(up)
	return mem, addr
}

// bytes puts b into the window if it is not there, and returns its address.
func (c *call) bytes(b []byte) uint64 {
	if addr, ok := c.k.w.addr(b); ok {
		return addr
	}
	mem, addr := c.room(len(b))
	copy(mem, b)
	return addr
}

// path puts a string and a NUL into the window.
func (c *call) path(s string) (uint64, error) {
	if err := checkPath(s); err != nil {
		return 0, err
	}
	if len(s) >= len(c.mem) {
		return 0, unix.ENAMETOOLONG
	}
	mem, addr := c.room(len(s) + 1)
	copy(mem, s)
	mem[len(s)] = 0
	return addr, nil
}

// checkPath reports what the kernel would never see of a string.
func checkPath(s string) error {
	if len(s) >= pathMax {
		return unix.ENAMETOOLONG
	}
	if strings.IndexByte(s, 0) >= 0 {
		return unix.EINVAL
	}
	return nil
}

// do makes the call and returns its result.
func (c *call) do(nr int32, args ...uint64) (int, error) {
	if err := c.post(nr, args...); err != nil {
		return -1, err
	}
	return c.wait()
}

// post hands the call to the kernel. The next thing to do with c is wait.
func (c *call) post(nr int32, args ...uint64) error {
	k, a := c.k, c.abi
	a.Nr, a.Root, a.Flags = nr, c.root, 0
	if c.as != nil {
		a.Flags, a.As = callAs, *c.as
	}
	n := copy(a.Args[:], args)
	clear(a.Args[n:])
	c.over = false

	k.mu.Lock()
	if k.dead {
		k.mu.Unlock()
		return k.err
	}
	c.number = k.callTail
	atomic.StoreUint32(&a.State, callPosted)
	atomic.StoreUint32(&k.w.callRing.Entry[k.callTail%maxCalls], c.index)
	k.callTail++
	atomic.StoreUint32(&k.w.callRing.Tail, k.callTail)
	k.mu.Unlock()
	c.posted = true
	c.woke = k.wakeKernel()
	return nil
}

// wakeKernel wakes the kernel if it sleeps, and reports whether it did.
// Preconditions: what it is to see has been stored.
func (k *state) wakeKernel() bool {
	word := &k.w.header.KernelAsleep
	if atomic.LoadUint32(word) == 1 && atomic.CompareAndSwapUint32(word, 1, 0) {
		futexWake(word, 1)
		return true
	}
	return false
}

// wait returns the result of the call that was posted.
func (c *call) wait() (int, error) {
	word := &c.abi.State
	spin := c.k.spin.poll(word, c.woke)
	for {
		switch s := atomic.LoadUint32(word); s {
		case callDone:
			c.k.spin.learn(spin)
			c.k.server.follow()
			c.posted, c.over = false, true
			return result(c.abi.Ret)
		case callPosted:
			if atomic.CompareAndSwapUint32(word, callPosted, callWaited) {
				futexWait(word, callWaited, 0)
			}
		case callWaited:
			futexWait(word, callWaited, 0)
		default:
			if err := c.k.endError(); err != nil {
				c.posted = false
				return -1, err
			}
			err := c.k.violated("call state")
			c.posted = false
			return -1, err
		}
	}
}
