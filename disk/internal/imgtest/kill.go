package imgtest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unboot/unboot/disk/source"
)

const (
	killEnv  = "UNBOOT_IMGTEST_WRITER"
	killUnit = 4096
)

// Main is for TestMain of packages that use [Kill].
func Main(m *testing.M) {
	if format, path, ok := strings.Cut(os.Getenv(killEnv), ":"); ok {
		if err := writer(format, path); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// unit is the content of a unit of the disk after the write with a number.
func unit(n, number uint64) []byte {
	b := make([]byte, killUnit)
	for i := 0; i < len(b); i += 16 {
		binary.LittleEndian.PutUint64(b[i:], n)
		binary.LittleEndian.PutUint64(b[i+8:], number)
	}
	return b
}

// writer writes to an image for ever, from two goroutines, and says on standard output what
// it does: "w UNIT NUMBER" before a write, "f" before a flush, "F" after it. What was
// written before the f is stable at the F.
func writer(format, path string) error {
	d, err := source.Open(ctx, path, source.Options{Writable: true, Format: format, Allow: allowAll})
	if err != nil {
		return err
	}
	units := uint64(d.Size() / killUnit)
	var mu sync.Mutex // a write is told and done at once
	number := uint64(time.Now().UnixNano())
	errs := make(chan error)
	for range 2 {
		go func() {
			for {
				mu.Lock()
				number++
				n := rand.Uint64N(units)
				if rand.IntN(3) == 0 {
					n = rand.Uint64N(units/32) * 32
				}
				fmt.Printf("w %d %d\n", n, number)
				_, err := d.WriteAt(unit(n, number), int64(n)*killUnit)
				mu.Unlock()
				if err != nil {
					errs <- err
				}
			}
		}()
	}
	go func() {
		for {
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			mu.Lock()
			fmt.Println("f")
			mu.Unlock()
			if err := d.Flush(); err != nil {
				errs <- err
			}
			mu.Lock()
			fmt.Println("F")
			mu.Unlock()
		}
	}()
	return <-errs
}

// Kill has a process write to an image, kills it, and verifies that the image opens and has
// all that was flushed; n times, on what the one before has left. check is called after each.
func Kill(t *testing.T, format, path string, n int, check func()) {
	t.Helper()
	var state writes
	state.stable, state.later = map[uint64]uint64{}, map[uint64][]uint64{}
	for range n {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killEnv+"="+format+":"+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		flushed, done := make(chan struct{}), make(chan struct{})
		go func() {
			state.read(out, sync.OnceFunc(func() { close(flushed) }))
			close(done)
		}()
		select {
		case <-flushed:
		case <-done:
			t.Error("the writer has ended")
		case <-time.After(20 * time.Second):
		}
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		cmd.Process.Kill()
		<-done
		cmd.Wait()
		state.verify(t, format, path)
		check()
		if t.Failed() {
			return
		}
	}
	if len(state.stable) == 0 {
		t.Error("nothing was flushed")
	}
}

// writes are what the units of a disk may have: what was stable last, or what came later.
type writes struct {
	stable map[uint64]uint64
	later  map[uint64][]uint64
}

// read reads what a writer says, and calls flushed at the end of a flush.
func (w *writes) read(r io.Reader, flushed func()) {
	scan := bufio.NewScanner(r)
	var flushing map[uint64]uint64 // what was written when the flush began
	for scan.Scan() {
		var n, number uint64
		switch line := scan.Text(); line {
		case "f":
			flushing = map[uint64]uint64{}
			for n, l := range w.later {
				flushing[n] = l[len(l)-1]
			}
		case "F":
			flushed()
			for n, number := range flushing {
				w.stable[n] = number
				l := w.later[n]
				for len(l) > 0 && l[0] != number {
					l = l[1:]
				}
				if l = l[1:]; len(l) == 0 {
					delete(w.later, n)
				} else {
					w.later[n] = l
				}
			}
		default:
			if _, err := fmt.Sscanf(line, "w %d %d", &n, &number); err == nil {
				w.later[n] = append(w.later[n], number)
			}
		}
	}
}

// verify compares the image with what may be there, which is what is there from then on.
func (w *writes) verify(t *testing.T, format, path string) {
	t.Helper()
	d := Open(t, format, path, false)
	defer d.Close()
	b := make([]byte, killUnit)
	for n := range uint64(d.Size() / killUnit) {
		if _, err := d.ReadAt(b, int64(n)*killUnit); err != nil {
			t.Error(err)
			return
		}
		ok := func(number uint64) bool {
			want := make([]byte, killUnit)
			if number != 0 {
				want = unit(n, number)
			}
			return string(want) == string(b)
		}
		found := ok(w.stable[n])
		for _, number := range w.later[n] {
			if ok(number) {
				w.stable[n], found = number, true
			}
		}
		if !found {
			t.Errorf("unit %d has %x, of write %d or %v", n, b[:16], w.stable[n], w.later[n])
			return
		}
		delete(w.later, n)
	}
}
