package lkl

// The kernel numbers its system calls by the generic table on every host, so
// these are those of include/uapi/asm-generic/unistd.h, not the host's.
const (
	sysSetxattr        = 5
	sysLsetxattr       = 6
	sysFsetxattr       = 7
	sysGetxattr        = 8
	sysLgetxattr       = 9
	sysFgetxattr       = 10
	sysListxattr       = 11
	sysLlistxattr      = 12
	sysFlistxattr      = 13
	sysRemovexattr     = 14
	sysLremovexattr    = 15
	sysFremovexattr    = 16
	sysDup             = 23
	sysFcntl           = 25
	sysInotifyInit1    = 26
	sysInotifyAddWatch = 27
	sysInotifyRmWatch  = 28
	sysIoctl           = 29
	sysMknodat         = 33
	sysMkdirat         = 34
	sysUnlinkat        = 35
	sysSymlinkat       = 36
	sysLinkat          = 37
	sysUmount2         = 39
	sysMount           = 40
	sysStatfs          = 43
	sysFstatfs         = 44
	sysTruncate        = 45
	sysFtruncate       = 46
	sysFallocate       = 47
	sysFaccessat       = 48
	sysFchmod          = 52
	sysFchmodat        = 53
	sysFchownat        = 54
	sysFchown          = 55
	sysPipe2           = 59
	sysOpenat          = 56
	sysClose           = 57
	sysGetdents64      = 61
	sysLseek           = 62
	sysRead            = 63
	sysWrite           = 64
	sysPread64         = 67
	sysPwrite64        = 68
	sysReadlinkat      = 78
	sysSync            = 81
	sysFsync           = 82
	sysFdatasync       = 83
	sysSyncFileRange   = 84
	sysUtimensat       = 88
	sysSyslog          = 116
	sysSocket          = 198
	sysFadvise64       = 223
	sysNameToHandleAt  = 264
	sysOpenByHandleAt  = 265
	sysSyncfs          = 267
	sysRenameat2       = 276
	sysCopyFileRange   = 285
	sysStatx           = 291
	sysOpenTree        = 428
	sysMoveMount       = 429
	sysFsopen          = 430
	sysFsconfig        = 431
	sysFsmount         = 432
	sysFspick          = 433
	sysOpenat2         = 437
	sysFaccessat2      = 439
	sysMountSetattr    = 442
	sysFchmodat2       = 452
)

// Flags of open(2) as in asm-generic/fcntl.h. amd64 has the same; arm64
// permutes these four.
const (
	genericODirect    = 0x4000
	genericOLargefile = 0x8000
	genericODirectory = 0x10000
	genericONofollow  = 0x20000
)
