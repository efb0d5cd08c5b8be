package lkl

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

func TestArena(t *testing.T) {
	for _, zone := range [][2]uint32{{offScratch, offBuffers}, {offBuffers, offBounce}, {0x3000, 0x9000}} {
		var a arena
		a.init(zone[0], zone[1])
		pages := (zone[1] - zone[0]) >> pageShift
		used := make([]bool, zone[1]>>pageShift)
		type block struct{ off, n uint32 }
		var blocks []block
		r := rand.New(rand.NewPCG(1, 2))
		for range 20000 {
			if r.IntN(5) < 3 {
				n := uint32(1) << (8 + r.IntN(15))
				n -= r.Uint32N(n / 4)
				off, ok := a.tryAlloc(int(n))
				if !ok {
					continue
				}
				if off < zone[0] || off+n > zone[1] {
					t.Fatalf("%#x+%#x outside of %#x", off, n, zone)
				}
				if align := uint32(1) << (pageShift + orderOf(int(n))); off%align != 0 {
					t.Fatalf("%#x+%#x is not aligned", off, n)
				}
				for p := off >> pageShift; p < (off+n+4095)>>pageShift; p++ {
					if used[p] {
						t.Fatalf("page %#x twice", p)
					}
					used[p] = true
				}
				blocks = append(blocks, block{off, n})
			} else if len(blocks) > 0 {
				i := r.IntN(len(blocks))
				b := blocks[i]
				blocks[i] = blocks[len(blocks)-1]
				blocks = blocks[:len(blocks)-1]
				for p := b.off >> pageShift; p < (b.off+b.n+4095)>>pageShift; p++ {
					used[p] = false
				}
				a.free(b.off)
			}
		}
		for _, b := range blocks {
			a.free(b.off)
		}
		// All of it can be had again, page by page, the lowest first.
		if off, ok := a.tryAlloc(1); !ok || off != zone[0] && zone[0] != offBuffers && pages > 16 {
			t.Errorf("first page at %#x of %#x", off, zone)
		}
		for range pages - 1 {
			if _, ok := a.tryAlloc(4096); !ok {
				t.Fatal("pages are lost")
			}
		}
		if _, ok := a.tryAlloc(1); ok {
			t.Fatal("a page too many")
		}
	}
}

// Waiters are served in order, and not overtaken.
func TestArenaWaits(t *testing.T) {
	var a arena
	a.init(offBuffers, offBounce)
	x, _ := a.alloc(MaxBuffer)
	y, _ := a.alloc(MaxBuffer)
	order := make(chan int, 3)
	for i, n := range []int{MaxBuffer, 4096} {
		go func() {
			if _, err := a.alloc(n); err == nil {
				order <- i
			}
		}()
		for {
			a.mu.Lock()
			w := len(a.waiters)
			a.mu.Unlock()
			if w == i+1 {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	if _, ok := a.tryAlloc(1); ok {
		t.Error("overtaken")
	}
	a.free(x)
	if got := <-order; got != 0 {
		t.Errorf("%d came first", got)
	}
	a.free(y)
	<-order

	err := make(chan error)
	go func() {
		_, e := a.alloc(MaxBuffer)
		err <- e
	}()
	time.Sleep(10 * time.Millisecond)
	cause := errors.New("over")
	a.close(cause)
	if e := <-err; e != cause {
		t.Errorf("got %v", e)
	}
	if _, e := a.alloc(1); e != cause {
		t.Errorf("got %v", e)
	}
}
