package lkl

// This file mirrors kernel/arch/lkl/include/uapi/asm/lkl.h, which is the
// definition. TestABI compiles that header and compares every constant,
// offset and size with what stands here.

const (
	abiMagic   = 0x746f6f626e75 // "unboot"
	abiVersion = 3

	fdWindow  = 0
	fdEvent   = 1
	fdLog     = 2
	fdControl = 3
	fdImage   = 4

	windowBase = 0x10000000
	windowSize = 0x02000000

	offHeader    = 0x00000000
	offCallRing  = 0x00001000
	offBlockRing = 0x00002000
	offDoneRing  = 0x00003000
	offCalls     = 0x00004000
	offBlocks    = 0x00014000
	offArena     = 0x00020000
	offBounce    = 0x01800000

	maxCalls  = 256
	maxBlocks = 64
	maxDisks  = 256

	statusStart  = 0
	statusReady  = 1
	statusHalted = 2
	statusPanic  = 3

	// statusDead is this side's: stored when the process has ended, so that
	// a Boot that sleeps on the word returns.
	statusDead = 0x64656164

	flagNoSpin  = 0x1
	flagTesting = 0x2
	flagBoot    = 0x4
	// flagSnapshot is not for this side: see kernel/arch/lkl/host/boot/mksnapshot.c.
	flagSnapshot = 0x8

	exitLoader  = 119
	exitSetup   = 120
	exitSandbox = 121
	exitFault   = 122
	exitPanic   = 134

	cmdlineSize = 1024

	callFree   = 0
	callPosted = 1
	callWaited = 2
	callDone   = 3

	// callDead is this side's: stored when the process has ended, so that
	// whoever sleeps on the call wakes.
	callDead = 0x64656164

	callAs    = 0x1
	groupsMax = 32

	opChain    = -1
	opReaddir  = -2
	opRead     = -3
	opWrite    = -4
	opDiskAdd  = -5
	opDiskDel  = -6
	opHalt     = -7
	opHostcall = -8
	opPanic    = -9
	opLocate   = -10
	opPrograms = -11
	opExec     = -12
	opWait     = -13
	opKill     = -14

	programsUnit = 0x800000
	controlSize  = 4096

	killGroup = 0x1
	killAll   = 0x2

	mountProc     = -1
	mountOptional = 0x1

	execStrings  = 0x100000
	execWords    = 8192
	execMounts   = 64
	hostnameSize = 64
	execTTY      = 0x1

	chainMax   = 128
	linkAlways = 0x100

	statxSize = 160

	diskRdonly  = 0x01
	diskFD      = 0x02
	diskOverlay = 0x04
	diskDiscard = 0x08
	diskZeroes  = 0x10
	diskNowait  = 0x20
	diskBlkdev  = 0x40

	blockRead    = 0
	blockWrite   = 1
	blockFlush   = 2
	blockDiscard = 3
	blockZeroes  = 4
)

type abiHeader struct {
	Magic   uint64
	Version uint32
	Flags   uint32
	Memory  uint64
	Clock   uint64
	Workers uint32
	Spin    uint32
	Seed    [32]byte
	Parent  uint32
	_       uint32
	Image   uint64

	Programs uint64
	_        [32]byte

	Status       uint32
	Sandbox      uint32
	SandboxErrno uint32
	Snapshot     uint32
	BootNs       uint64
	_            [40]byte

	KernelAsleep uint32
	_            [60]byte
	ServerAsleep uint32
	_            [60]byte

	Cmdline [cmdlineSize]byte
}

type abiRing struct {
	Tail  uint32
	_     [60]byte
	Head  uint32
	_     [60]byte
	Entry [maxCalls]uint32
}

type abiIdentity struct {
	Uid     uint32
	Gid     uint32
	Umask   uint32
	Ngroups uint32
	Groups  [groupsMax]uint32
}

type abiCall struct {
	State uint32
	Nr    int32
	Root  int32
	Flags uint32
	Args  [6]uint64
	Ret   int64
	As    abiIdentity
	_     [40]byte
}

type abiLink struct {
	Nr    int32
	Flags uint32
	Args  [6]uint64
	Ret   int64
}

// abiDirent is followed by the name, a NUL, the link's target and a NUL.
type abiDirent struct {
	Reclen    uint16
	NameLen   uint16
	LinkLen   uint16
	Type      uint8
	_         uint8
	Error     int32
	XattrSize int32
	Statx     [statxSize]byte
}

type abiDisk struct {
	ID            uint32
	Flags         uint32
	Size          uint64
	LogicalBlock  uint32
	PhysicalBlock uint32
	OverlayLimit  uint64
	Name          [32]byte
}

type abiPiece struct {
	Disk   uint32
	_      uint32
	Offset uint64
	Buffer uint64
	Length uint64
}

type abiMount struct {
	Fd     int32
	Flags  uint32
	Target uint64
}

type abiExec struct {
	Fds        [3]int32
	Flags      uint32
	File       uint64
	Dir        uint64
	Strings    uint64
	Size       uint32
	Argc       uint32
	Envc       uint32
	Mounts     uint32
	Mount      uint64
	As         abiIdentity
	CpuSeconds uint64
	Processes  uint32
	Hostname   [hostnameSize]byte
	_          uint32
}

type abiExit struct {
	Status  int32
	_       uint32
	UtimeNs uint64
	StimeNs uint64
	Maxrss  uint64
}

type abiHostcall struct {
	Nr   int64
	Args [6]uint64
}

type abiBlock struct {
	Disk   uint32
	Op     uint32
	Offset uint64
	Length uint64
	Buffer uint64
	Result int32
	_      [28]byte
}
