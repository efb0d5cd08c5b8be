package lkl

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The fake kernel is this test binary, started as a kernel image would be. It
// keeps the protocol of lkl.h from the other side, and passes system calls on
// to the host's kernel: the window is mapped where a kernel maps it, so that
// their pointers need no translation.
//
// Words of the command line that begin with "fake=" make it misbehave.

// Operations that only the fake kernel has.
const (
	fakeSleep    = -100 // (ms)
	fakeBlock    = -101 // (disk, op, offset, length, buffer)
	fakeScribble = -102 // ()
	fakeExit     = -103 // (code)
	fakeLog      = -104 // (string)
	fakeHuge     = -105 // (): a result that no buffer holds
	fakeRing     = -106 // (): a block ring that cannot be
	fakeHalts    = -107 // (): stop taking HALT
)

// hostNr maps the generic numbers to the host's.
var hostNr = map[int32]uintptr{
	sysSetxattr: unix.SYS_SETXATTR, sysLsetxattr: unix.SYS_LSETXATTR, sysFsetxattr: unix.SYS_FSETXATTR,
	sysGetxattr: unix.SYS_GETXATTR, sysLgetxattr: unix.SYS_LGETXATTR, sysFgetxattr: unix.SYS_FGETXATTR,
	sysListxattr: unix.SYS_LISTXATTR, sysLlistxattr: unix.SYS_LLISTXATTR, sysFlistxattr: unix.SYS_FLISTXATTR,
	sysRemovexattr: unix.SYS_REMOVEXATTR, sysLremovexattr: unix.SYS_LREMOVEXATTR, sysFremovexattr: unix.SYS_FREMOVEXATTR,
	sysDup: unix.SYS_DUP, sysFcntl: unix.SYS_FCNTL, sysIoctl: unix.SYS_IOCTL,
	sysMknodat: unix.SYS_MKNODAT, sysMkdirat: unix.SYS_MKDIRAT, sysUnlinkat: unix.SYS_UNLINKAT,
	sysSymlinkat: unix.SYS_SYMLINKAT, sysLinkat: unix.SYS_LINKAT,
	sysUmount2: unix.SYS_UMOUNT2, sysMount: unix.SYS_MOUNT,
	sysStatfs: unix.SYS_STATFS, sysFstatfs: unix.SYS_FSTATFS,
	sysTruncate: unix.SYS_TRUNCATE, sysFtruncate: unix.SYS_FTRUNCATE, sysFallocate: unix.SYS_FALLOCATE,
	sysFaccessat: unix.SYS_FACCESSAT, sysFchmod: unix.SYS_FCHMOD, sysFchmodat: unix.SYS_FCHMODAT,
	sysFchownat: unix.SYS_FCHOWNAT, sysFchown: unix.SYS_FCHOWN,
	sysOpenat: unix.SYS_OPENAT, sysClose: unix.SYS_CLOSE, sysGetdents64: unix.SYS_GETDENTS64,
	sysLseek: unix.SYS_LSEEK, sysRead: unix.SYS_READ, sysWrite: unix.SYS_WRITE,
	sysPread64: unix.SYS_PREAD64, sysPwrite64: unix.SYS_PWRITE64, sysReadlinkat: unix.SYS_READLINKAT,
	sysSync: unix.SYS_GETPID, sysFsync: unix.SYS_FSYNC, sysFdatasync: unix.SYS_FDATASYNC, sysSyncFileRange: unix.SYS_SYNC_FILE_RANGE,
	sysUtimensat: unix.SYS_UTIMENSAT, sysSyslog: unix.SYS_SYSLOG, sysSocket: unix.SYS_SOCKET, sysFadvise64: unix.SYS_FADVISE64,
	sysSyncfs: unix.SYS_SYNCFS, sysRenameat2: unix.SYS_RENAMEAT2,
	sysCopyFileRange: unix.SYS_COPY_FILE_RANGE, sysStatx: unix.SYS_STATX,
	sysOpenTree: unix.SYS_OPEN_TREE, sysMoveMount: unix.SYS_MOVE_MOUNT, sysFsopen: unix.SYS_FSOPEN,
	sysFsconfig: unix.SYS_FSCONFIG, sysFsmount: unix.SYS_FSMOUNT, sysFspick: unix.SYS_FSPICK,
	sysNameToHandleAt: unix.SYS_NAME_TO_HANDLE_AT, sysOpenByHandleAt: unix.SYS_OPEN_BY_HANDLE_AT, sysFchmodat2: unix.SYS_FCHMODAT2,
	sysOpenat2: unix.SYS_OPENAT2, sysFaccessat2: unix.SYS_FACCESSAT2, sysMountSetattr: unix.SYS_MOUNT_SETATTR,
}

type fakeKernel struct {
	window
	testing  bool
	deaf     atomic.Bool
	disks    sync.Map // id -> abiDisk
	fds      sync.Map // id -> []int
	blockMu  sync.Mutex
	tail     uint32
	free     chan uint32
	programs fakePrograms
	blockEnd [maxBlocks]chan struct{}
	doneHead uint32
}

// fakeMain is the fake kernel's main function.
func fakeMain() {
	mem, _, errno := unix.Syscall6(unix.SYS_MMAP, windowBase, windowSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_SHARED|unix.MAP_FIXED_NOREPLACE, fdWindow, 0)
	if errno == unix.EEXIST && len(os.Args) < 16 {
		// A program with a C library, as the race detector makes it, has a heap
		// that the host puts at a random place, and that may be this one: with the
		// next start it lies elsewhere. What is 16 times in the way is no heap.
		errno = syscall.Exec("/proc/self/exe", append(os.Args, "again"), nil).(syscall.Errno)
	}
	if errno != 0 || mem != windowBase {
		logf("mapping the window: %v", errno)
		os.Exit(exitSetup)
	}
	k := &fakeKernel{free: make(chan uint32, maxBlocks)}
	k.mem = unsafe.Slice((*byte)(at(windowBase)), windowSize)
	k.cast()
	for i := range uint32(maxBlocks) {
		k.free <- i
		k.blockEnd[i] = make(chan struct{}, 1)
	}
	h := k.header
	cmdline, _, _ := strings.Cut(string(h.Cmdline[:]), "\x00")
	k.testing = h.Flags&flagTesting != 0
	logf("fake kernel, memory %d, workers %d, clock %d", h.Memory, h.Workers, h.Clock)
	if h.Magic != abiMagic || h.Version != abiVersion || len(os.Environ()) != 0 || extraFds() || int(h.Parent) != os.Getppid() {
		logf("bad header, environment or descriptors")
		os.Exit(exitSetup)
	}
	h.Sandbox = SANDBOX_SECCOMP | SANDBOX_PDEATHSIG
	status := uint32(statusReady)
	for _, word := range strings.Fields(cmdline) {
		switch word {
		case "fake=panic":
			logf("something else")
			logf("Kernel panic - not syncing: told to")
			h.Status = statusPanic
			os.Exit(exitPanic)
		case "fake=exit":
			logf("last words")
			os.Exit(7)
		case "fake=hang":
			unix.Pause()
		case "fake=noprograms":
			k.programs.missing = unix.ENOSYS
		case "fake=nofilter":
			h.Sandbox = 0
		case "fake=garbage":
			status = 99
		case "fake=segv":
			var dfl [4]uint64 // not Go's handler
			unix.Syscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGSEGV), uintptr(unsafe.Pointer(&dfl)), 0, 8, 0, 0)
			unix.Kill(os.Getpid(), unix.SIGSEGV)
			unix.Pause()
		}
	}
	atomic.StoreUint32(&h.Status, status)
	futexWake(&h.Status, 1)
	k.loop()
}

// at makes a pointer of an address outside of Go's memory.
func at(addr uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

func logf(format string, args ...any) {
	unix.Write(fdLog, fmt.Appendf(nil, format+"\n", args...))
}

// extraFds reports whether the process has inherited more than it should.
func extraFds() bool {
	for fd := fdControl + 1; fd < 100; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			to, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
			logf("inherited descriptor %d: %s", fd, to)
			return true
		}
	}
	return false
}

func (k *fakeKernel) loop() {
	var head uint32
	asleep := &k.header.KernelAsleep
	for {
		idle := true
		for tail := atomic.LoadUint32(&k.callRing.Tail); head != tail; head++ {
			i := atomic.LoadUint32(&k.callRing.Entry[head%maxCalls])
			idle = false
			c := k.calls[i]
			if c.Nr == sysLseek || c.Nr == sysDup { // quick: for the benchmarks
				k.answer(i, k.run(&c))
				continue
			}
			go func() { k.answer(i, k.run(&c)) }()
		}
		for tail := atomic.LoadUint32(&k.doneRing.Tail); k.doneHead != tail; k.doneHead++ {
			idle = false
			k.blockEnd[atomic.LoadUint32(&k.doneRing.Entry[k.doneHead%maxBlocks])] <- struct{}{}
		}
		if !idle {
			continue
		}
		spun := false
		for range 2000 {
			if atomic.LoadUint32(&k.callRing.Tail) != head {
				spun = true
				break
			}
		}
		if spun {
			continue
		}
		atomic.StoreUint32(asleep, 1)
		if atomic.LoadUint32(&k.callRing.Tail) == head && atomic.LoadUint32(&k.doneRing.Tail) == k.doneHead {
			futexWait(asleep, 1, 0)
		}
		atomic.StoreUint32(asleep, 0)
	}
}

func (k *fakeKernel) answer(i uint32, ret int64) {
	c := &k.calls[i]
	c.Ret = ret
	if atomic.SwapUint32(&c.State, callDone) == callWaited {
		futexWake(&c.State, 1)
	}
}

func (k *fakeKernel) run(c *abiCall) int64 {
	switch c.Nr {
	case opChain:
		return k.chain(c)
	case opDiskAdd:
		return k.diskAdd((*abiDisk)(at(c.Args[0])))
	case opDiskDel:
		k.disks.Delete(uint32(c.Args[0]))
		if fds, ok := k.fds.LoadAndDelete(uint32(c.Args[0])); ok {
			for _, fd := range fds.([]int) {
				unix.Close(fd)
			}
		}
		return 0
	case opPrograms, opExec, opWait, opKill:
		return k.program(c)
	case opHalt:
		if k.deaf.Load() {
			select {}
		}
		k.header.Status = statusHalted
		os.Exit(0)
	case opPanic:
		if !k.testing {
			return -int64(unix.ENOSYS)
		}
		logf("Kernel panic - not syncing: asked for")
		os.Exit(exitPanic)
	case opHostcall:
		if !k.testing {
			return -int64(unix.ENOSYS)
		}
		h := (*abiHostcall)(at(c.Args[0]))
		return host(uintptr(h.Nr), h.Args)
	case fakeSleep:
		time.Sleep(time.Duration(c.Args[0]) * time.Millisecond)
		return 0
	case fakeBlock:
		return k.block(abiBlock{Disk: uint32(c.Args[0]), Op: uint32(c.Args[1]), Offset: c.Args[2], Length: c.Args[3], Buffer: c.Args[4]})
	case fakeScribble:
		for i := range k.calls {
			atomic.StoreUint32(&k.calls[i].State, 77)
			futexWake(&k.calls[i].State, 1)
		}
		select {}
	case fakeExit:
		os.Exit(int(c.Args[0]))
	case fakeLog:
		s := k.mem[c.Args[0]-windowBase:]
		n := strings.IndexByte(string(s[:pathMax]), 0)
		unix.Write(fdLog, s[:n])
		return 0
	case opLocate:
		*(*abiPiece)(at(c.Args[4])) = abiPiece{}
		return k.link(opRead, c.Args)
	case fakeHuge:
		return 1 << 40
	case fakeRing:
		atomic.StoreUint32(&k.blockRing.Tail, 1000)
		k.wakeServer()
		select {}
	case fakeHalts:
		k.deaf.Store(true)
		return 0
	}
	return k.link(c.Nr, c.Args)
}

func (k *fakeKernel) link(nr int32, args [6]uint64) int64 {
	switch nr {
	case opRead:
		return host(unix.SYS_PREAD64, args)
	case opWrite:
		return host(unix.SYS_PWRITE64, args)
	case opReaddir:
		return k.readdir(args)
	}
	h, ok := hostNr[nr]
	if !ok {
		return -int64(unix.ENOSYS)
	}
	return host(h, args)
}

func host(nr uintptr, a [6]uint64) int64 {
	r, _, errno := syscall.Syscall6(nr, uintptr(a[0]), uintptr(a[1]), uintptr(a[2]), uintptr(a[3]), uintptr(a[4]), uintptr(a[5]))
	if errno != 0 {
		return -int64(errno)
	}
	return int64(r)
}

func (k *fakeKernel) chain(c *abiCall) int64 {
	links := unsafe.Slice((*abiLink)(at(c.Args[0])), c.Args[1])
	failed := false
	for i := range links {
		l := &links[i]
		ok := !failed || l.Flags&linkAlways != 0
		args := l.Args
		for a := range args {
			if l.Flags&(1<<a) != 0 {
				ret := links[args[a]].Ret
				ok = ok && ret >= 0
				args[a] = uint64(ret)
			}
		}
		l.Ret = -int64(unix.ECANCELED)
		if ok {
			l.Ret = k.link(l.Nr, args)
		}
		failed = failed || l.Ret < 0
	}
	return 0
}

// readdir reads one entry after the other: getdents64, but with seeks back to
// where the buffer was full.
func (k *fakeKernel) readdir(args [6]uint64) int64 {
	fd, size := int(args[0]), args[2]
	out := k.mem[args[1]-windowBase:][:size]
	buf := make([]byte, 32<<10)
	done, last := 0, int64(0)
	last, _ = unix.Seek(fd, 0, 1)
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			return -int64(err.(unix.Errno))
		}
		if n == 0 {
			return int64(done)
		}
		for b := buf[:n]; len(b) > 0; {
			next := int64(binary.LittleEndian.Uint64(b[8:]))
			reclen := binary.LittleEndian.Uint16(b[16:])
			name, _, _ := strings.Cut(string(b[19:reclen]), "\x00")
			typ := b[18]
			b = b[reclen:]
			if name == "." || name == ".." {
				last = next
				continue
			}
			rec := fakeDirent(fd, name, typ, int(args[3]), int(args[4]))
			if done+len(rec) > len(out) {
				unix.Seek(fd, last, 0)
				if done == 0 {
					return -int64(unix.EINVAL)
				}
				return int64(done)
			}
			done += copy(out[done:], rec)
			last = next
		}
	}
}

func fakeDirent(fd int, name string, typ byte, mask, flags int) []byte {
	var st unix.Statx_t
	d := abiDirent{NameLen: uint16(len(name)), Type: typ}
	if err := unix.Statx(fd, name, unix.AT_SYMLINK_NOFOLLOW, mask, &st); err != nil {
		d.Error = int32(err.(unix.Errno))
	}
	copy(d.Statx[:], unsafe.Slice((*byte)(unsafe.Pointer(&st)), statxSize))
	link := ""
	if flags&READDIR_LINK != 0 && typ == unix.DT_LNK {
		link, _ = os.Readlink(fmt.Sprintf("/proc/self/fd/%d/%s", fd, name))
	}
	if flags&READDIR_XATTR != 0 {
		n, err := unix.Llistxattr(fmt.Sprintf("/proc/self/fd/%d/%s", fd, name), nil)
		d.XattrSize = int32(n)
		if err != nil {
			d.XattrSize = -int32(err.(unix.Errno))
		}
	}
	d.LinkLen = uint16(len(link))
	d.Reclen = uint16((direntHeader + len(name) + len(link) + 2 + 7) &^ 7)
	rec := make([]byte, d.Reclen)
	copy(rec, unsafe.Slice((*byte)(unsafe.Pointer(&d)), direntHeader))
	copy(rec[direntHeader:], name)
	copy(rec[direntHeader+len(name)+1:], link)
	return rec
}

func (k *fakeKernel) diskAdd(d *abiDisk) int64 {
	want := 0
	if d.Flags&diskFD != 0 {
		want++
	}
	if d.Flags&diskOverlay != 0 {
		want++
	}
	if d.Size == 12345*512 { // the test's: to fail without receiving
		return -int64(unix.EEXIST)
	}
	if want > 0 {
		oob := make([]byte, 64)
		_, n, _, _, err := unix.Recvmsg(fdControl, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
		if err != nil {
			return -int64(err.(unix.Errno))
		}
		msgs, _ := unix.ParseSocketControlMessage(oob[:n])
		fds, _ := unix.ParseUnixRights(&msgs[0])
		if len(fds) != want {
			return -int64(unix.EINVAL)
		}
		k.fds.Store(d.ID, fds)
	}
	k.disks.Store(d.ID, *d)
	copy(d.Name[:], fmt.Sprintf("sd%c", 'a'+d.ID))
	return 0
}

func (k *fakeKernel) wakeServer() {
	word := &k.header.ServerAsleep
	if atomic.CompareAndSwapUint32(word, 1, 0) {
		unix.Write(fdEvent, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

func (k *fakeKernel) block(b abiBlock) int64 {
	tag := <-k.free
	k.blockMu.Lock()
	k.blocks[tag] = b
	atomic.StoreUint32(&k.blockRing.Entry[k.tail%maxBlocks], tag)
	k.tail++
	atomic.StoreUint32(&k.blockRing.Tail, k.tail)
	k.blockMu.Unlock()
	k.wakeServer()
	<-k.blockEnd[tag]
	ret := int64(k.blocks[tag].Result)
	k.free <- tag
	return ret
}
