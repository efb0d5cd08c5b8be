package guestfs

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// TestNothingLeft opens and closes handles and counts what they leave.
func TestNothingLeft(t *testing.T) {
	needKernel(t)
	image := blank(t, 1<<20)
	once := func(i int) {
		g, err := Create_flags(CREATE_NO_ENVIRONMENT)
		check(t, err)
		check(t, g.Add_drive(image, raw(i%2 == 0)))
		check(t, g.Add_drive_scratch(1<<20, nil))
		if i%3 > 0 {
			check(t, g.Launch())
		}
		if i%3 > 1 {
			must[[]string](t)(g.List_devices())
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
	once(2)
	settle := func(want func() bool) bool {
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if want() {
				return true
			}
		}
		return false
	}
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for i := range 30 {
		once(i)
	}
	if !settle(func() bool { return runtime.NumGoroutine() <= goroutines && descriptors(t) <= files }) {
		t.Errorf("%d goroutines, %d descriptors; before %d, %d", runtime.NumGoroutine(), descriptors(t), goroutines, files)
	}
	// A handle that was never closed.
	func() {
		g, err := Create_flags(CREATE_NO_ENVIRONMENT)
		check(t, err)
		check(t, g.Add_drive(image, raw(false)))
		check(t, g.Launch())
		must[[]string](t)(g.List_devices())
	}()
	if !settle(func() bool { runtime.GC(); return runtime.NumGoroutine() <= goroutines && descriptors(t) <= files }) {
		t.Errorf("not closed: %d goroutines, %d descriptors; before %d, %d", runtime.NumGoroutine(), descriptors(t), goroutines, files)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	l, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(l)
}
