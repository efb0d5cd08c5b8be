package unboot_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os/exec"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
)

// elfProgram returns a program of 64 bits that is nothing but its code.
func elfProgram(machine elf.Machine, order binary.ByteOrder, code []byte) []byte {
	const at, head = 0x1000000, 64 + 56
	h := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Entry: at + head, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.EV_CURRENT)
	h.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	if order == binary.ByteOrder(binary.BigEndian) {
		h.Ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	}
	size := uint64(head + len(code))
	p := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: at, Paddr: at,
		Filesz: size, Memsz: size, Align: 0x1000,
	}
	var b bytes.Buffer
	binary.Write(&b, order, h)
	binary.Write(&b, order, p)
	b.Write(code)
	return b.Bytes()
}

// instructions returns instructions of 32 bits, of a processor with the low byte first.
func instructions(list ...uint32) (code []byte) {
	for _, i := range list {
		code = binary.LittleEndian.AppendUint32(code, i)
	}
	return code
}

// Programs of other processors run by the emulator of the host, by themselves, as interpreters,
// and when one of them is started by another program. They write five bytes of argv[0], and
// exit with status 7.
func TestEmulated(t *testing.T) {
	for _, tt := range []struct {
		emulator string
		program  []byte
	}{
		{"qemu-aarch64-static", elfProgram(elf.EM_AARCH64, binary.LittleEndian, instructions(
			0xd2800020, 0xf94007e1, 0xd28000a2, 0xd2800808, 0xd4000001, // write(1, argv[0], 5)
			0xd28000e0, 0xd2800ba8, 0xd4000001))}, // exit(7)
		{"qemu-s390x-static", elfProgram(elf.EM_S390, binary.BigEndian, []byte(
			"\xa7\x29\x00\x01\xe3\x30\xf0\x08\x00\x04\xa7\x49\x00\x05\x0a\x04\xa7\x29\x00\x07\x0a\x01"))},
	} {
		t.Run(tt.emulator, func(t *testing.T) {
			f, _ := guest(t)
			rig.Check(t, "write", f.WriteFile("bin/foreign", tt.program, 0o755))
			rig.Check(t, "write", f.WriteFile("script", []byte("#!/bin/foreign\n"), 0o755))
			rig.Check(t, "write", f.WriteFile("through", []byte("#!/script\n"), 0o755))
			if _, err := exec.LookPath(tt.emulator); err != nil {
				t.Skip(err)
			}
			for _, c := range []struct {
				path, want string
				args       []string
			}{
				{"/bin/foreign", "names", []string{"names"}},
				{"foreign", "names", []string{"names"}},
				{"/script", "/bin/", []string{"/script"}}, // the interpreter's own name
				{"/through", "/bin/", []string{"/through"}},
				{"sh", "forei", []string{"sh", "-c", "foreign"}}, // by a program of this processor
			} {
				run := f.Command(c.path)
				run.Args = c.args
				out, err := run.Output()
				var exit *unboot.ExitError
				if string(out) != c.want || !errors.As(err, &exit) || exit.ExitCode() != 7 {
					t.Errorf("%s %q: %q, %v", c.path, c.args, out, err)
				}
			}
		})
	}
}
