package lkl

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cast sets the typed views of the window's memory.
//
// Preconditions: w.mem is the mapping of the whole window.
func (w *window) cast() {
	at := func(off uintptr) unsafe.Pointer { return unsafe.Pointer(&w.mem[off]) }
	w.base = uintptr(at(0))
	w.header = (*abiHeader)(at(offHeader))
	w.calls = (*[maxCalls]abiCall)(at(offCalls))
	w.blocks = (*[maxBlocks]abiBlock)(at(offBlocks))
	w.callRing = (*abiRing)(at(offCallRing))
	w.blockRing = (*abiRing)(at(offBlockRing))
	w.doneRing = (*abiRing)(at(offDoneRing))
}

func addressOf(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// futexWait sleeps while *word is val, until a wake, a signal, or the timeout
// if that is not 0. The memory is shared between processes, so the futex is
// not a private one.
func futexWait(word *uint32, val uint32, timeout time.Duration) {
	var ts *unix.Timespec
	if timeout > 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexOpWait, uintptr(val), uintptr(unsafe.Pointer(ts)), 0, 0)
}

// futexWake wakes up to n sleepers. It does not block, so the scheduler need
// not know of it.
func futexWake(word *uint32, n int) {
	unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexOpWake, uintptr(n), 0, 0, 0)
}

const (
	futexOpWait = 0
	futexOpWake = 1
)

// The sizes that the rest of the package counts on.
var (
	_ [sizeofStatx]byte  = [unsafe.Sizeof(unix.Statx_t{})]byte{}
	_ [sizeofStatfs]byte = [unsafe.Sizeof(unix.Statfs_t{})]byte{}
	_ [sizeofLink]byte   = [unsafe.Sizeof(abiLink{})]byte{}
)

// loadStatx copies a struct statx. All bit patterns are valid.
func loadStatx(b []byte, stat *unix.Statx_t) {
	copy((*[sizeofStatx]byte)(unsafe.Pointer(stat))[:], b[:sizeofStatx])
}

// loadDirentStatx copies the first part of a struct statx, and clears the rest.
func loadDirentStatx(b []byte, stat *unix.Statx_t) {
	raw := (*[sizeofStatx]byte)(unsafe.Pointer(stat))
	copy(raw[:statxSize], b[:statxSize])
	clear(raw[statxSize:])
}

// loadStatfs copies a struct statfs.
func loadStatfs(b []byte, stat *unix.Statfs_t) {
	copy((*[sizeofStatfs]byte)(unsafe.Pointer(stat))[:], b[:sizeofStatfs])
}

// storeLinks copies links to b, which has room for them.
func storeLinks(b []byte, links []abiLink) {
	copy(b, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(links))), len(links)*sizeofLink))
}

// storeDisk copies a struct lkl_disk to b.
func storeDisk(b []byte, d *abiDisk) {
	copy(b, (*[sizeofDisk]byte)(unsafe.Pointer(d))[:])
}

const sizeofDisk = int(unsafe.Sizeof(abiDisk{}))

// loadPiece copies a struct lkl_piece.
func loadPiece(b []byte) (at abiPiece) {
	copy((*[sizeofPiece]byte)(unsafe.Pointer(&at))[:], b[:sizeofPiece])
	return at
}

const sizeofPiece = int(unsafe.Sizeof(abiPiece{}))

// storeHostcall copies a struct lkl_hostcall to b.
func storeHostcall(b []byte, h *abiHostcall) {
	copy(b, (*[sizeofHostcall]byte)(unsafe.Pointer(h))[:])
}

const sizeofHostcall = int(unsafe.Sizeof(abiHostcall{}))

// storeExec copies a struct lkl_exec to b.
func storeExec(b []byte, x *abiExec) {
	copy(b, (*[sizeofExec]byte)(unsafe.Pointer(x))[:])
}

const sizeofExec = int(unsafe.Sizeof(abiExec{}))

// storeMount copies a struct lkl_mount to b.
func storeMount(b []byte, m *abiMount) {
	copy(b, (*[sizeofMount]byte)(unsafe.Pointer(m))[:])
}

const sizeofMount = int(unsafe.Sizeof(abiMount{}))

// loadExit copies a struct lkl_exit.
func loadExit(b []byte) (e abiExit) {
	copy((*[sizeofExit]byte)(unsafe.Pointer(&e))[:], b[:sizeofExit])
	return e
}

const sizeofExit = int(unsafe.Sizeof(abiExit{}))
