package main

import (
	"errors"
	"fmt"
	"log/syslog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// readyVariable has the descriptor on which the process in the background says that the
// image is mounted. Until then it is in the foreground: it can ask for passphrases, and
// signals of the terminal reach it.
const readyVariable = "UNBOOT_MOUNT_READY"

// readyPipe returns that descriptor, in the process that has one.
func readyPipe() (*os.File, bool) {
	fd, err := strconv.Atoi(os.Getenv(readyVariable))
	if err != nil || fd < 3 {
		return nil, false
	}
	os.Unsetenv(readyVariable)
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "ready"), true
}

// background runs this command line in another process and waits until the image is mounted,
// or until that process has ended.
func background(a *app) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Env: append(os.Environ(), readyVariable+"=3"), ExtraFiles: []*os.File{w},
	}
	// Signals are for the other process. Those of the terminal reach it anyway.
	a.handOverSignals()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	go passOn(signals, cmd.Process)
	if n, _ := r.Read(make([]byte, 1)); n == 1 {
		return nil
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		end(cmd.ProcessState.Sys().(syscall.WaitStatus))
	}
	return err
}

// detach goes into the background, when the image is mounted. What there is to say from now on
// goes to the system's log.
func (a *app) detach(ready *os.File) {
	a.out.Flush()
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		for fd := range 3 {
			unix.Dup3(int(null.Fd()), fd, 0)
		}
		null.Close()
	}
	unix.Setsid() // an error means that it has a session of its own
	if a.opts.cacheDir == "" {
		os.Chdir("/") // so that no other file system is in use
	}
	a.mu.Lock()
	a.log, _ = syslog.New(syslog.LOG_DAEMON|syslog.LOG_ERR, "unboot")
	a.mu.Unlock()
	fmt.Fprint(ready, "y")
	ready.Close()
}
