package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// Goroutines that write to the same clusters at once, while others read, flush and make
// snapshots, each find what they have written.
func TestConcurrent(t *testing.T) {
	for _, options := range []string{"", "cluster_size=512", "extended_l2=on", "compat=0.10"} {
		image := withData(t, options, 1<<20)
		m, err := openWritable(image)
		if err != nil {
			t.Fatal(err)
		}
		const writers = 4
		content := readAll(t, m)
		var all sync.WaitGroup
		stop := make(chan struct{})
		var others sync.WaitGroup
		others.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprint(n)
				if _, err := m.CreateSnapshot(disk.Snapshot{Name: name}); err != nil {
					t.Error(err)
				}
				if err := m.DeleteSnapshot(name); err != nil {
					t.Error(err)
				}
				if err := m.Flush(); err != nil {
					t.Error(err)
				}
				if _, err := m.ReadAt(make([]byte, 100<<10), 64<<10); err != nil {
					t.Error(err)
				}
			}
		})
		for w := range writers {
			all.Go(func() {
				r := rand.New(rand.NewPCG(uint64(w), 9))
				for range 150 {
					// Every fourth sector is one writer's.
					at := (r.Int64N(1<<20/512/writers)*writers + int64(w)) * 512
					b := bytes.Repeat([]byte{byte(r.Uint32())}, 512)
					var err error
					if r.IntN(5) == 0 {
						clear(b)
						err = m.WriteZeroes(at, 512)
					} else {
						_, err = m.WriteAt(b, at)
					}
					got := make([]byte, 512)
					_, e := m.ReadAt(got, at)
					if err := errors.Join(err, e); err != nil || !bytes.Equal(got, b) {
						t.Errorf("at %d: %v", at, err)
						return
					}
					copy(content[at:], b)
				}
			})
		}
		all.Wait()
		close(stop)
		others.Wait()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "qcow2", image)
		if got := readAll(t, open(t, image)); !bytes.Equal(got, content) {
			t.Errorf("%s: differs from %d on", options, differs(got, content))
		}
	}
}
