package lkl

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl/internal/vmlinux"
)

// A process is the kernel as the host sees it.
type process struct {
	child
	event   *os.File // eventfd: the block server sleeps on it
	log     *os.File // ends when the process does
	control int      // this side's socket
}

// start runs the kernel. It closes windowFd, and says in the header where the
// loader finds the image.
func (p *process) start(windowFd int, header *abiHeader) (err error) {
	defer unix.Close(windowFd)
	var own, theirs []int
	defer func() {
		for _, fd := range theirs {
			unix.Close(fd)
		}
		if err != nil {
			for _, fd := range own {
				unix.Close(fd)
			}
		}
	}()
	image, err := vmlinux.Open()
	if err != nil {
		if err == vmlinux.ErrMissing {
			return ErrNoKernel
		}
		return fmt.Errorf("lkl: kernel image: %w", err)
	}
	defer image.Close()

	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("lkl: eventfd: %w", err)
	}
	own = append(own, event)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("lkl: pipe: %w", err)
	}
	own, theirs = append(own, pipe[0]), append(theirs, pipe[1])
	if err := unix.SetNonblock(pipe[0], true); err != nil {
		return fmt.Errorf("lkl: pipe: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("lkl: socketpair: %w", err)
	}
	own, theirs = append(own, pair[0]), append(theirs, pair[1])

	files := []uintptr{
		fdWindow:  uintptr(windowFd),
		fdEvent:   uintptr(event),
		fdLog:     uintptr(pipe[1]),
		fdControl: uintptr(pair[1]),
	}
	if image.Kernel >= 0 {
		files = append(files, uintptr(image.Kernel)) // fdImage
		header.Image = uint64(image.Offset)
	}
	clear, err := image.Clear(files)
	if err != nil {
		return fmt.Errorf("lkl: kernel image: %w", err)
	}
	defer clear.Close()
	pid, err := spawn(clear.Path(), []string{"unboot-kernel"}, files)
	if err != nil {
		return fmt.Errorf("lkl: starting the kernel: %w", err)
	}
	p.pid = pid
	p.event = os.NewFile(uintptr(event), "eventfd")
	p.log = os.NewFile(uintptr(pipe[0]), "log")
	p.control = pair[0]
	return nil
}

// A spawnRequest asks the thread that starts processes for one.
type spawnRequest struct {
	path  string
	args  []string
	files []uintptr
	reply chan spawnReply
}

type spawnReply struct {
	pid int
	err error
}

// spawner returns the way to a goroutine that never leaves its thread. The
// kernel process dies with the thread that started it (prctl(2),
// PR_SET_PDEATHSIG), so that thread must live as long as the program.
var spawner = sync.OnceValue(func() chan<- spawnRequest {
	ch := make(chan spawnRequest)
	go func() {
		runtime.LockOSThread()
		for r := range ch {
			pid, err := syscall.ForkExec(r.path, r.args, &syscall.ProcAttr{
				Files: r.files,
				Sys: &syscall.SysProcAttr{
					Pdeathsig: syscall.SIGKILL,
					// Out of the terminal's process group: ^C is for
					// this program to handle.
					Setsid: true,
				},
			})
			r.reply <- spawnReply{pid, err}
		}
	}()
	return ch
})

// spawn runs a program without an environment, as a child that dies with this one.
func spawn(path string, args []string, files []uintptr) (pid int, err error) {
	reply := make(chan spawnReply, 1)
	spawner() <- spawnRequest{path, args, files, reply}
	r := <-reply
	return r.pid, r.err
}
