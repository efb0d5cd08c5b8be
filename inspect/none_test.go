package inspect

import "github.com/unboot/unboot/inspect/internal/testtree"

var noSystem = map[string]testtree.Files{
	"empty":                     {},
	"home":                      {"user/.profile": "", "user/etc/hosts": ""},
	"boot":                      {"vmlinuz": "", "grub/grub.cfg": ""},
	"esp":                       {"EFI/BOOT/BOOTX64.EFI": "MZ"},
	"var":                       {"lib/dpkg/status": "", "log/syslog": ""},
	"etc alone":                 {"etc/motd": "hello"},
	"usr alone":                 {"bin/ls": x86_64, "share/doc/": "", "lib/os-release": "ID=debian\n"},
	"nt loader":                 {"IO.SYS": "", "MSDOS.SYS": "", "NTLDR": "x", "COMMAND.COM": "x"},
	"data":                      {"Windows/notes.txt": "", "etc": "a file"},
	"loop":                      {"etc": "-> etc", "bin": "-> bin"},
	"os-release is a directory": {"etc/os-release/x": ""},
}
