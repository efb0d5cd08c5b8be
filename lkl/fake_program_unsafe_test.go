package lkl

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The fake kernel's programs are processes of the host, and its spawner is this test binary,
// which checks what it was given and does nothing more.
type fakePrograms struct {
	missing unix.Errno // what kernels say that cannot run any

	mu      sync.Mutex
	taken   bool // guarded by mu: there is memory for programs
	running map[uint64]*fakeProgram
}

type fakeProgram struct {
	ended  chan struct{}
	status syscall.WaitStatus
	usage  syscall.Rusage
}

// fakeStub is the spawner's main function.
func fakeStub() {
	var st unix.Stat_t
	offset, err := strconv.ParseInt(os.Args[1], 10, 64)
	seals, _ := unix.FcntlInt(0, unix.F_GET_SEALS, 0)
	if err != nil || unix.Fstat(0, &st) != nil || st.Size != offset+controlSize ||
		seals&(unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL) != unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL ||
		len(os.Args) != 2 || len(os.Environ()) != 0 || extraFds() {
		os.Exit(exitSetup)
	}
	unix.Pause()
}

func (k *fakeKernel) program(c *abiCall) int64 {
	p := &k.programs
	if p.missing == unix.ENOSYS {
		return -int64(p.missing)
	}
	p.mu.Lock()
	one := p.running[c.Args[0]]
	p.mu.Unlock()
	switch {
	case c.Nr == opPrograms:
		return k.takePrograms()
	case c.Nr == opExec:
		return k.exec((*abiExec)(at(c.Args[0])))
	case one == nil:
		return -int64(unix.EBADF)
	case c.Nr == opWait:
		<-one.ended
		*(*abiExit)(at(c.Args[1])) = abiExit{
			Status:  int32(one.status),
			UtimeNs: uint64(one.usage.Utime.Nano()),
			StimeNs: uint64(one.usage.Stime.Nano()),
			Maxrss:  uint64(one.usage.Maxrss) << 10,
		}
		return 0
	}
	select {
	case <-one.ended:
		return -int64(unix.ESRCH)
	default:
	}
	if err := unix.PidfdSendSignal(int(c.Args[0]), unix.Signal(c.Args[1]), nil, 0); err != nil {
		return -int64(err.(unix.Errno))
	}
	return 0
}

// takePrograms receives the memory.
func (k *fakeKernel) takePrograms() int64 {
	oob := make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(fdControl, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -int64(err.(unix.Errno))
	}
	msgs, _ := unix.ParseSocketControlMessage(oob[:n])
	fds, _ := unix.ParseUnixRights(&msgs[0])
	defer unix.Close(fds[0])
	var st unix.Stat_t
	p := &k.programs
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.missing != 0:
		return -int64(p.missing)
	case p.taken:
		return -int64(unix.EALREADY)
	case unix.Fstat(fds[0], &st) != nil || uint64(st.Size) != k.header.Programs+controlSize:
		return -int64(unix.EINVAL)
	}
	p.taken, p.running = true, map[uint64]*fakeProgram{}
	return 0
}

// exec logs what it is asked for, and starts the program on the host.
func (k *fakeKernel) exec(x *abiExec) int64 {
	words := strings.Split(string(unsafe.Slice((*byte)(at(x.Strings)), x.Size)), "\x00")
	hostname, _, _ := strings.Cut(string(x.Hostname[:]), "\x00")
	logf("exec %s in %s as %d %d %o %d of %q cpu %d processes %d flags %#x", cString(x.File), cString(x.Dir),
		x.As.Uid, x.As.Gid, x.As.Umask, x.As.Groups[:x.As.Ngroups], hostname, x.CpuSeconds, x.Processes, x.Flags)
	for _, m := range unsafe.Slice((*abiMount)(at(x.Mount)), x.Mounts) {
		logf("mount %d on %s flags %#x", m.Fd, cString(m.Target), m.Flags)
	}
	if !k.programs.taken || len(words) != int(x.Argc+x.Envc)+1 || words[len(words)-1] != "" {
		return -int64(unix.EINVAL)
	}
	attr := &syscall.ProcAttr{
		Dir: cString(x.Dir), Env: words[x.Argc : x.Argc+x.Envc],
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true},
	}
	for _, fd := range x.Fds {
		attr.Files = append(attr.Files, uintptr(int(fd)))
	}
	type started struct {
		fd  int
		err error
	}
	one := &fakeProgram{ended: make(chan struct{})}
	reply := make(chan started)
	go func() {
		runtime.LockOSThread() // the program dies with its thread
		pid, err := syscall.ForkExec(cString(x.File), words[:x.Argc], attr)
		fd := -1
		if err == nil {
			fd, err = unix.PidfdOpen(pid, 0)
		}
		if err == nil {
			k.programs.mu.Lock()
			k.programs.running[uint64(fd)] = one
			k.programs.mu.Unlock()
		}
		reply <- started{fd, err}
		if err == nil {
			syscall.Wait4(pid, &one.status, 0, &one.usage)
			close(one.ended)
		}
	}()
	r := <-reply
	if r.err != nil {
		return -int64(r.err.(syscall.Errno))
	}
	return int64(r.fd)
}

// cString is a string of the window.
func cString(addr uint64) string {
	b := unsafe.Slice((*byte)(at(addr)), windowSize-(addr-windowBase))
	return string(b[:strings.IndexByte(string(b[:min(len(b), pathMax)]), 0)])
}
