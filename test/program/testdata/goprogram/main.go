// Program goprogram is what Go's run-time needs of a kernel: threads, signals, timers, memory.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func main() {
	var wg sync.WaitGroup
	var mu sync.Mutex
	sum := 0
	for i := range 50 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var keep [][]byte
			for j := range 200 {
				keep = append(keep, make([]byte, 1000+j))
			}
			runtime.GC()
			mu.Lock()
			sum += i * len(keep)
			mu.Unlock()
		}()
	}
	wg.Wait()
	fmt.Println(sum)

	// one that never gives its turn away, and is interrupted
	done := false
	go func() {
		for !done {
		}
	}()
	time.Sleep(20 * time.Millisecond)
	runtime.GC()
	done = true

	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-c)
	func() {
		defer func() { fmt.Println(recover()) }()
		var p *int
		*p = 1
	}()
	start := time.Now()
	<-time.After(10 * time.Millisecond)
	fmt.Println(time.Since(start) >= 10*time.Millisecond)
	out, err := exec.Command("/bin/sh", "-c", "echo from a child; exit 3").CombinedOutput()
	fmt.Printf("%q %v\n", out, err)
}
