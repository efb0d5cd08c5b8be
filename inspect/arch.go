package inspect

import (
	"encoding/binary"
)

// programs are those of which nearly every Unix has one. A shell script has no
// architecture, so there are several.
var programs = []string{
	"bin/bash", "bin/ls", "bin/echo", "bin/rm", "bin/sh", "bin/busybox",
	"usr/bin/bash", "usr/bin/ls", "usr/bin/sh", "usr/bin/env", "usr/bin/coreutils",
	"sbin/init", "usr/lib/systemd/systemd", "lib/systemd/systemd",
	"sbin/apk", "usr/bin/rpm", "usr/bin/dpkg",
	"lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1", "lib/ld-linux.so.2", "lib/ld-linux-armhf.so.3",
	"lib/x86_64-linux-gnu/libc.so.6", "lib/aarch64-linux-gnu/libc.so.6",
	"usr/lib/x86_64-linux-gnu/libc.so.6", "usr/lib/aarch64-linux-gnu/libc.so.6",
	"lib/ld-musl-x86_64.so.1", "lib/ld-musl-aarch64.so.1",
}

// findArch returns the architecture of the first of the files that has one.
func findArch(t *tree, names []string) string {
	for _, name := range names {
		if a := FileArch(t.head(name, peekSize)); a != "" {
			return a
		}
	}
	return ""
}

// peekSize is as much of a program as FileArch wants, in bytes. The header of a PE
// file comes after a program for DOS.
const peekSize = 4096

// FileArch returns the architecture of a program, library, kernel module (ELF) or
// Windows program (PE) from its first 4 KiB, as guestfs_file_architecture names it,
// or "" if it is none or not known.
func FileArch(head []byte) string {
	if len(head) > 4 && string(head[:4]) == "\x7fELF" {
		return elfArch(head)
	}
	if len(head) > 2 && string(head[:2]) == "MZ" {
		return peArch(head)
	}
	return ""
}

// elfArch reads e_machine; see elf(5).
func elfArch(b []byte) string {
	if len(b) < 20 {
		return ""
	}
	wide := b[4] == 2
	var order binary.ByteOrder = binary.LittleEndian
	big := b[5] == 2
	if big {
		order = binary.BigEndian
	}
	pick := func(yes bool, a, b string) string {
		if yes {
			return a
		}
		return b
	}
	switch order.Uint16(b[18:]) {
	case 2, 18:
		return "sparc"
	case 3, 6:
		return "i386"
	case 4:
		return "m68k"
	case 8:
		switch {
		case wide:
			return pick(big, "mips64", "mips64el")
		default:
			return pick(big, "mips", "mipsel")
		}
	case 15:
		return "hppa"
	case 20:
		return "ppc"
	case 21:
		return pick(big, "ppc64", "ppc64le")
	case 22:
		return pick(wide, "s390x", "s390")
	case 40:
		return "arm"
	case 42:
		return "sh4"
	case 43:
		return "sparc64"
	case 50:
		return "ia64"
	case 62:
		return "x86_64"
	case 183:
		return "aarch64"
	case 243:
		return pick(wide, "riscv64", "riscv32")
	case 258:
		return "loongarch64"
	case 0x9026:
		return "alpha"
	}
	return ""
}

// peArch reads Machine of the COFF header; see Microsoft's "PE Format".
func peArch(b []byte) string {
	if len(b) < 0x40 {
		return ""
	}
	at := int64(binary.LittleEndian.Uint32(b[0x3c:]))
	if at+6 > int64(len(b)) || string(b[at:at+4]) != "PE\x00\x00" {
		return ""
	}
	switch binary.LittleEndian.Uint16(b[at+4:]) {
	case 0x14c:
		return "i386"
	case 0x8664:
		return "x86_64"
	case 0xaa64:
		return "aarch64"
	case 0x1c0, 0x1c2, 0x1c4:
		return "arm"
	case 0x200:
		return "ia64"
	case 0x5064:
		return "riscv64"
	}
	return ""
}
