package filetype

import (
	"bytes"
	"debug/elf"
	"debug/pe"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// describeELF reads an executable or library. Nothing of it is trusted; package elf bounds
// what it takes of memory by what is there.
func describeELF(r io.ReaderAt) string {
	head := make([]byte, 20)
	if n, _ := r.ReadAt(head, 0); n < len(head) {
		return "ELF"
	}
	class := map[byte]string{1: "32-bit", 2: "64-bit"}[head[elf.EI_CLASS]]
	order := map[byte]string{1: "LSB", 2: "MSB"}[head[elf.EI_DATA]]
	if class == "" || order == "" { // package elf would fail, and file(1) says no more
		return "ELF"
	}
	s := "ELF " + class + " " + order
	f, err := elf.NewFile(r)
	if err != nil {
		return s
	}
	interp, dynamic, pie := "", false, false
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_INTERP:
			interp = readString(p, p.Filesz)
		case elf.PT_DYNAMIC:
			dynamic = true
		}
	}
	if flags, err := f.DynValue(elf.DT_FLAGS_1); err == nil && len(flags) > 0 {
		pie = elf.DynFlag1(flags[0])&elf.DF_1_PIE != 0
	}
	types := map[elf.Type]string{elf.ET_REL: "relocatable", elf.ET_EXEC: "executable", elf.ET_DYN: "shared object", elf.ET_CORE: "core file"}
	// A program that can be loaded anywhere has the type of a library. Since binutils 2.26
	// a flag distinguishes the two.
	typ := types[f.Type]
	if f.Type == elf.ET_DYN && pie {
		typ = "pie executable"
	}
	if typ != "" {
		s += " " + typ
	}
	machines := map[elf.Machine]string{
		elf.EM_X86_64: "x86-64", elf.EM_386: "Intel 80386", elf.EM_AARCH64: "ARM aarch64", elf.EM_ARM: "ARM",
		elf.EM_PPC64: "64-bit PowerPC or cisco 7500", elf.EM_PPC: "PowerPC or cisco 4500", elf.EM_S390: "IBM S/390",
		elf.EM_RISCV: "UCB RISC-V", elf.EM_SPARCV9: "SPARC V9", elf.EM_MIPS: "MIPS", elf.EM_LOONGARCH: "LoongArch",
	}
	if m := machines[f.Machine]; m != "" {
		s += ", " + m
	}
	s += ", version 1" // there is no other
	switch f.OSABI {
	case elf.ELFOSABI_NONE:
		s += " (SYSV)"
	case elf.ELFOSABI_LINUX:
		s += " (GNU/Linux)"
	case elf.ELFOSABI_FREEBSD:
		s += " (FreeBSD)"
	}
	if f.Type == elf.ET_EXEC || f.Type == elf.ET_DYN {
		switch {
		case interp != "":
			s += ", dynamically linked, interpreter " + interp
		case dynamic && !pie:
			s += ", dynamically linked"
		case dynamic:
			s += ", static-pie linked"
		default:
			s += ", statically linked"
		}
	}
	return s + elfNotes(f) + stripped(f)
}

// stripped says whether there are symbols. The symbols for dynamic linking do not count:
// strip(1) leaves them.
func stripped(f *elf.File) string {
	debug, symbols := false, false
	for _, sec := range f.Sections {
		symbols = symbols || sec.Type == elf.SHT_SYMTAB
		debug = debug || sec.Name == ".debug_info"
	}
	switch {
	case debug:
		return ", with debug_info, not stripped"
	case symbols:
		return ", not stripped"
	}
	return ", stripped"
}

// elfNotes describes the notes: the build, and the system that it is for. They are in
// program headers rather than in sections, which strip(1) may have removed.
func elfNotes(f *elf.File) (s string) {
	build, system := "", ""
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		const most = 4096
		notes := make([]byte, min(p.Filesz, most))
		n, _ := p.ReadAt(notes, 0)
		for notes = notes[:n]; len(notes) >= 12; {
			name, desc := int(f.ByteOrder.Uint32(notes)), int(f.ByteOrder.Uint32(notes[4:]))
			typ := f.ByteOrder.Uint32(notes[8:])
			// Both lengths are claims, and their sum must not overflow.
			nameEnd := 12 + (name+3)&^3
			if name < 0 || desc < 0 || name > most || desc > most || nameEnd+desc > len(notes) {
				break
			}
			d := notes[nameEnd : nameEnd+desc]
			if bytes.HasPrefix(notes[12:], []byte("GNU\x00")) {
				switch {
				case typ == 3 && (desc == 20 || desc == 16):
					build = fmt.Sprintf(", BuildID[%s]=%s", map[int]string{20: "sha1", 16: "md5/uuid"}[desc], hex.EncodeToString(d))
				case typ == 1 && desc >= 16 && f.ByteOrder.Uint32(d) == 0:
					system = fmt.Sprintf(", for GNU/Linux %d.%d.%d", f.ByteOrder.Uint32(d[4:]), f.ByteOrder.Uint32(d[8:]), f.ByteOrder.Uint32(d[12:]))
				}
			}
			notes = notes[min(nameEnd+(desc+3)&^3, len(notes)):]
		}
	}
	return build + system
}

// readString reads a string that a NUL ends.
func readString(r io.ReaderAt, size uint64) string {
	const most = 256
	b := make([]byte, min(size, most))
	n, _ := r.ReadAt(b, 0)
	b, _, _ = bytes.Cut(b[:n], []byte{0})
	return strings.ToValidUTF8(string(b), "?")
}

// describePE reads a program of Windows.
func describePE(r io.ReaderAt) string {
	f, err := pe.NewFile(r)
	if err != nil { // what follows the stub for DOS is something else, or damaged
		return "MS-DOS executable"
	}
	s := "PE32"
	subsystem := uint16(0)
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		subsystem = h.Subsystem
	case *pe.OptionalHeader64:
		s += "+"
		subsystem = h.Subsystem
	}
	s += " executable"
	if f.Characteristics&pe.IMAGE_FILE_DLL != 0 {
		s += " (DLL)"
	}
	switch subsystem {
	case pe.IMAGE_SUBSYSTEM_NATIVE:
		s += " (native)"
	case pe.IMAGE_SUBSYSTEM_WINDOWS_GUI:
		s += " (GUI)"
	case pe.IMAGE_SUBSYSTEM_WINDOWS_CUI:
		s += " (console)"
	case pe.IMAGE_SUBSYSTEM_EFI_APPLICATION:
		s += " (EFI application)"
	}
	machines := map[uint16]string{
		pe.IMAGE_FILE_MACHINE_AMD64: " x86-64", pe.IMAGE_FILE_MACHINE_I386: " Intel 80386", pe.IMAGE_FILE_MACHINE_ARM64: " Aarch64",
	}
	return s + machines[f.Machine] + ", for MS Windows"
}
