package unboot

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/hostdir"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/lkl"
)

// An architecture is what the first bytes of a program say of the processor that it is for.
type architecture struct {
	machine elf.Machine
	class   elf.Class
	data    elf.Data
}

// native is the architecture whose programs the processor runs.
var native = architecture{elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB}

// architectureOf returns what the first bytes of an ELF program say, or false if they are not
// those of one.
func architectureOf(start []byte) (a architecture, ok bool) {
	if len(start) < 20 || string(start[:4]) != elf.ELFMAG {
		return a, false
	}
	a.class, a.data = elf.Class(start[elf.EI_CLASS]), elf.Data(start[elf.EI_DATA])
	a.machine = elf.Machine(start[18]) | elf.Machine(start[19])<<8
	if a.data == elf.ELFDATA2MSB {
		a.machine = elf.Machine(start[19]) | elf.Machine(start[18])<<8
	}
	return a, true
}

// emulators are the names of the processors that QEMU emulates for single programs:
// qemu-user(1).
var emulators = map[architecture]string{
	{elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB}:   "aarch64",
	{elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB}:       "arm",
	{elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB}:       "i386",
	{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB}:     "ppc64le",
	{elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2MSB}:     "ppc64",
	{elf.EM_PPC, elf.ELFCLASS32, elf.ELFDATA2MSB}:       "ppc",
	{elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB}:      "s390x",
	{elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB}:     "riscv64",
	{elf.EM_RISCV, elf.ELFCLASS32, elf.ELFDATA2LSB}:     "riscv32",
	{elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2LSB}:      "mips64el",
	{elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2MSB}:      "mips64",
	{elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2LSB}:      "mipsel",
	{elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2MSB}:      "mips",
	{elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB}: "loongarch64",
	{elf.EM_SPARCV9, elf.ELFCLASS64, elf.ELFDATA2MSB}:   "sparc64",
	{elf.EM_ALPHA, elf.ELFCLASS64, elf.ELFDATA2LSB}:     "alpha",
	{elf.EM_PARISC, elf.ELFCLASS32, elf.ELFDATA2MSB}:    "hppa",
	{elf.EM_68K, elf.ELFCLASS32, elf.ELFDATA2MSB}:       "m68k",
	{elf.EM_SH, elf.ELFCLASS32, elf.ELFDATA2LSB}:        "sh4",
}

// emulator returns the name of the program of the host that runs those of an architecture,
// or "" if there is none. It is one that needs no library, as it is used in a tree that has
// none for it.
func (a architecture) emulator() string {
	if name := emulators[a]; name != "" {
		return "qemu-" + name + static
	}
	return ""
}

// static is what names of emulators that need no library end with. Of late, those without it
// need none either.
const static = "-static"

// findEmulator returns the host path of an emulator.
func (a architecture) findEmulator() (string, error) {
	host, err := hosttool.Find(a.emulator())
	if err != nil {
		plain, perr := hosttool.Find(strings.TrimSuffix(a.emulator(), static))
		if perr != nil || !isStatic(plain) {
			return "", err
		}
		host = plain
	}
	return filepath.EvalSymlinks(host)
}

// isStatic reports whether a program of the host needs no dynamic loader.
func isStatic(host string) bool {
	f, err := elf.Open(host)
	if err != nil {
		return false
	}
	defer f.Close()
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// An emulation is what of the emulators of the host an image's programs are run by.
type emulation struct {
	mu    sync.Mutex
	fd    int                    // guarded by mu: of binfmt_misc in the kernel, which forgets them without
	known map[architecture]error // guarded by mu: those that the kernel was told of
}

// emulate tells the kernel of the emulator for a program of another processor, if the host
// has it. Otherwise execve(2) says what is wrong.
func (c *Cmd) emulate(file string) error {
	if c.f == nil {
		return nil
	}
	a, ok := c.architecture(file)
	if !ok || a == native || a.emulator() == "" {
		return nil
	}
	e := &c.img.emulation
	e.mu.Lock()
	defer e.mu.Unlock()
	err, ok := e.known[a]
	if !ok {
		if e.known == nil {
			e.known = map[architecture]error{}
		}
		err = e.register(c.kernel(), a)
		e.known[a] = err
	}
	return err
}

// maxInterpreters is how many interpreters a script may have, each a script itself, as
// execve(2) has it.
const maxInterpreters = 4

// architecture returns that of a program, or of the interpreter of a script.
func (c *Cmd) architecture(file string) (a architecture, ok bool) {
	for range 1 + maxInterpreters {
		start := c.firstBytes(file)
		interpreter := interpreterOf(start)
		if !strings.HasPrefix(interpreter, "/") {
			return architectureOf(start)
		}
		file = interpreter
	}
	return a, false
}

// firstBytes returns what a file of the tree begins with, or nothing if it cannot be read.
func (c *Cmd) firstBytes(file string) []byte {
	fd, err := c.f.view.Open(file, unix.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil
	}
	defer c.kernel().CloseFd(fd)
	start := make([]byte, maxStart)
	n, err := c.kernel().Pread(fd, start, 0)
	if err != nil {
		return nil
	}
	return start[:n]
}

// interpreterOf returns the interpreter that a script's first line names, or "".
func interpreterOf(start []byte) string {
	line, ok := bytes.CutPrefix(start, []byte("#!"))
	if !ok {
		return ""
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	// Not by any space: "/bin/sh\r" is what a file from Windows asks for.
	words := bytes.FieldsFunc(line, isBlank)
	if len(words) == 0 {
		return ""
	}
	return string(words[0])
}

// isBlank reports whether a character divides the words of a "#!" line, as the kernel's
// binfmt_script has it.
func isBlank(r rune) bool { return r == ' ' || r == '\t' }

// register has binfmt_misc of the kernel run programs by the emulator
// (Documentation/admin-guide/binfmt-misc.rst). The kernel opens the emulator now, and of the
// host's files a guest sees that one alone.
func (e *emulation) register(k *lkl.Kernel, a architecture) error {
	host, err := a.findEmulator()
	if err != nil {
		return nil // the host has none
	}
	dir, err := hostdir.Open(filepath.Dir(host), hostdir.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer dir.Close()
	m, err := dir.Mount(k)
	if err != nil {
		return err
	}
	defer k.CloseFd(m.Fd)
	if e.fd == 0 {
		if e.fd, err = newFileSystem(k, "binfmt_misc", systemDir); err != nil {
			e.fd = 0
			return &fs.PathError{Op: "mount", Path: "binfmt_misc", Err: err}
		}
	}
	fd, err := k.Openat(e.fd, "register", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: "binfmt_misc/register", Err: err}
	}
	defer k.CloseFd(fd)
	if _, err := k.Write(fd, []byte(a.rule(fmt.Sprintf("/proc/self/fd/%d/%s", m.Fd, filepath.Base(host))))); err != nil {
		return &fs.PathError{Op: "register", Path: host, Err: err}
	}
	return nil
}

// rule returns the line that tells binfmt_misc of an emulator. Its flags: argv[0] is
// preserved (P), the emulator is opened at once (F), and the program that it runs decides of
// credentials, as su(1) needs it (C, with which it gets the program open: O).
func (a architecture) rule(emulator string) string {
	magic := make([]byte, 20)
	copy(magic, elf.ELFMAG)
	magic[elf.EI_CLASS], magic[elf.EI_DATA], magic[elf.EI_VERSION] = byte(a.class), byte(a.data), byte(elf.EV_CURRENT)
	// The type is 2 or 3: an executable, or one that can lie anywhere. What says of the system
	// that it is for is Linux's matter.
	mask := []byte("\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\xfe\xff\xff\xff")
	magic[16], magic[18], magic[19] = byte(elf.ET_EXEC), byte(a.machine), byte(a.machine>>8)
	if a.data == elf.ELFDATA2MSB {
		magic[16], magic[17], magic[18], magic[19] = 0, byte(elf.ET_EXEC), magic[19], magic[18]
		mask[16], mask[17] = 0xff, 0xfe
	}
	var b strings.Builder
	fmt.Fprintf(&b, ":%s:M::", strings.TrimSuffix(a.emulator(), static))
	for _, part := range [][]byte{magic, mask} {
		for _, c := range part {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
		b.WriteByte(':')
	}
	b.WriteString(emulator + ":POCF")
	return b.String()
}
