package part

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

func edit(t *testing.T, d memory) *Editor {
	t.Helper()
	e, err := Edit(d, int64(len(d)), EditOptions{Rand: randomBytes{rand.New(rand.NewPCG(3, 3))}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func commit(t *testing.T, e *Editor, d memory) *Table {
	t.Helper()
	if err := e.Commit(d); err != nil {
		t.Fatal(err)
	}
	table, err := Read(d, int64(len(d)), 512)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// What cannot be is refused, and changes nothing.
func TestEditErrors(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	for _, c := range []struct {
		name string
		kind string
		do   func(e *Editor) error
		want error
	}{
		{"unaligned start", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: 100}); return err }, ErrInvalid},
		{"unaligned size", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Size: 100}); return err }, ErrInvalid},
		{"negative start", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: -512}); return err }, ErrInvalid},
		{"negative size", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Size: -512}); return err }, ErrInvalid},
		{"over the table", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: 512, Size: 512}); return err }, ErrNoSpace},
		{"over a partition", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: 0, Size: 2 * mib}); return err }, ErrNoSpace},
		{"over the backup", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: 15 * mib, Size: mib}); return err }, ErrNoSpace},
		{"outside", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: 1 << 40}); return err }, ErrNoSpace},
		{"too large", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Size: 1 << 40}); return err }, ErrNoSpace},
		{"taken", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Number: 1}); return err }, ErrNoSpace},
		{"number", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Number: 129}); return err }, ErrInvalid},
		{"negative number", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Number: -1}); return err }, ErrInvalid},
		{"logical", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Role: Logical}); return err }, ErrKind},
		{"MBR type", "gpt", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Type: "0x83"}); return err }, ErrInvalid},
		{"no type", "gpt", func(e *Editor) error { return e.SetType(1, "00000000-0000-0000-0000-000000000000") }, ErrInvalid},
		{"long name", "gpt", func(e *Editor) error { return e.SetName(1, strings.Repeat("x", 37)) }, ErrInvalid},
		{"long name, two units each", "gpt", func(e *Editor) error { return e.SetName(1, strings.Repeat("😀", 19)) }, ErrInvalid},
		{"name with zero", "gpt", func(e *Editor) error { return e.SetName(1, "a\x00b") }, ErrInvalid},
		{"name in Latin-1", "gpt", func(e *Editor) error { return e.SetName(1, "\xe4") }, ErrInvalid},
		{"GUID", "gpt", func(e *Editor) error { return e.SetUUID(1, "c12a7328f81f11d2ba4b00a0c93ec93b") }, ErrInvalid},
		{"GUID with other dashes", "gpt", func(e *Editor) error { return e.SetID("c12a-7328f81f-11d2-ba4b-00a0c93ec93b") }, ErrInvalid},
		{"partition", "gpt", func(e *Editor) error { return e.SetName(2, "x") }, ErrNoPartition},
		{"partition 0", "gpt", func(e *Editor) error { return e.Delete(0) }, ErrNoPartition},
		{"partition -1", "gpt", func(e *Editor) error { return e.SetAttributes(-1, 0) }, ErrNoPartition},
		{"partition 1000", "gpt", func(e *Editor) error { return e.Resize(1000, mib) }, ErrNoPartition},
		{"resize to nothing", "gpt", func(e *Editor) error { return e.Resize(1, mib) }, ErrInvalid},
		{"resize over the backup", "gpt", func(e *Editor) error { return e.Resize(1, 16*mib) }, ErrNoSpace},

		{"names", "dos", func(e *Editor) error { return e.SetName(1, "a") }, ErrKind},
		{"names at once", "dos", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Name: "a"}); return err }, ErrKind},
		{"UUID", "dos", func(e *Editor) error { return e.SetUUID(1, guidEFI) }, ErrKind},
		{"attributes", "dos", func(e *Editor) error { return e.SetAttributes(1, 1) }, ErrKind},
		{"expand", "dos", func(e *Editor) error { return e.Expand() }, ErrKind},
		{"GPT type", "dos", func(e *Editor) error { return e.SetType(1, guidEFI) }, ErrInvalid},
		{"type 0", "dos", func(e *Editor) error { return e.SetType(1, "0") }, ErrInvalid},
		{"protective", "dos", func(e *Editor) error { return e.SetType(1, "0xee") }, ErrInvalid},
		{"not extended any more", "dos", func(e *Editor) error { return e.SetType(2, "0x83") }, ErrKind},
		{"extended from now on", "dos", func(e *Editor) error { return e.SetType(1, "0x05") }, ErrKind},
		{"extended type", "dos", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Type: "0x05"}); return err }, ErrInvalid},
		{"role", "dos", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Role: "other"}); return err }, ErrInvalid},
		{"second extended", "dos", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Role: Extended}); return err }, ErrNoSpace},
		{"number of a logical one", "dos", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Role: Logical, Number: 6}); return err }, ErrInvalid},
		{"number 5", "dos", func(e *Editor) error { _, err := e.Add(Spec{Start: -1, Number: 5}); return err }, ErrInvalid},
		{"over the MBR", "dos", func(e *Editor) error { _, err := e.Add(Spec{Start: 0}); return err }, ErrNoSpace},
		{"logical outside", "dos", func(e *Editor) error { _, err := e.Add(Spec{Start: 512, Size: 512, Role: Logical}); return err }, ErrNoSpace},
		{"logical over its description", "dos", func(e *Editor) error { _, err := e.Add(Spec{Start: 5 * mib, Size: 512, Role: Logical}); return err }, ErrNoSpace},
		{"too small for the logical ones", "dos", func(e *Editor) error { return e.Resize(2, 8*mib) }, ErrNoSpace},
		{"primary into extended", "dos", func(e *Editor) error { return e.Resize(1, 5*mib+512) }, ErrNoSpace},
		{"logical into the next", "dos", func(e *Editor) error { return e.Resize(5, 8*mib) }, ErrNoSpace},
		{"logical out of the extended", "dos", func(e *Editor) error { return e.Resize(7, 15*mib+512) }, ErrNoSpace},
		{"out of the disk", "dos", func(e *Editor) error { return e.Resize(2, 17*mib) }, ErrNoSpace},
		{"ID", "dos", func(e *Editor) error { return e.SetID("123456789") }, ErrInvalid},
		{"short ID", "dos", func(e *Editor) error { return e.SetID("1234") }, ErrInvalid},
		{"partition 8", "dos", func(e *Editor) error { return e.Delete(8) }, ErrNoPartition},
		{"partition 3", "dos", func(e *Editor) error { return e.Delete(3) }, ErrNoPartition},
		{"bootable 9", "dos", func(e *Editor) error { return e.SetBootable(9, true) }, ErrNoPartition},
	} {
		t.Run(c.kind+" "+c.name, func(t *testing.T) {
			d := make(memory, 16*mib)
			e, err := New(c.kind, int64(len(d)), EditOptions{Rand: randomBytes{rand.New(rand.NewPCG(3, 3))}})
			if err != nil {
				t.Fatal(err)
			}
			specs := []Spec{{Start: mib, Size: 4 * mib}}
			if c.kind == "dos" {
				specs = append(specs, Spec{Role: Extended, Start: 5 * mib, Size: 10 * mib}, Spec{Role: Logical, Start: 6 * mib, Size: mib},
					Spec{Role: Logical, Start: 7*mib + 64*kib, Size: mib}, Spec{Role: Logical, Start: 10 * mib, Size: mib})
			}
			for _, s := range specs {
				if _, err := e.Add(s); err != nil {
					t.Fatal(err)
				}
			}
			commit(t, e, d)
			before := bytes.Clone(d)
			if err := c.do(e); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			commit(t, e, d)
			if !bytes.Equal(before, d) {
				t.Error("the table has changed")
			}
		})
	}
	for _, size := range []int64{0, 100} {
		if _, err := New("dos", size, EditOptions{}); !errors.Is(err, ErrNoSpace) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := New("gpt", 66*512, EditOptions{}); !errors.Is(err, ErrNoSpace) {
		t.Error(err)
	}
	if _, err := New("sun", 1<<20, EditOptions{}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := New("gpt", 1<<20, EditOptions{SectorSize: 1024}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := Edit(make(memory, 1<<20), 1<<20, EditOptions{}); !errors.Is(err, ErrNoTable) {
		t.Error(err)
	}
}

// Tables that are damaged, or odd, are mended or refused.
func TestEditDamaged(t *testing.T) {
	last := func(d memory) []byte { return d[len(d)-512:] }
	for _, c := range []struct {
		name     string
		script   string
		change   func(d memory) memory
		problems int   // that are left
		want     error // of Edit or Commit
	}{
		{"sound", gptScript, func(d memory) memory { return d }, 0, nil},
		{"no backup", gptScript, func(d memory) memory { clear(last(d)); return d }, 0, nil},
		{"no primary", gptScript, func(d memory) memory { clear(d[512:1024]); return d }, 0, nil},
		{"bad primary entries", gptScript, func(d memory) memory { d[1024]++; return d }, 0, nil},
		{"other backup", gptScript, func(d memory) memory { d[1024+56]++; sign(d); return d }, 0, nil},
		{"no MBR", gptScript, func(d memory) memory { clear(d[:512]); return d }, 0, nil},
		{"hybrid", gptScript, func(d memory) memory {
			copy(d[462:], "\x80\x00\x00\x00\x0c\x00\x00\x00\x00\x08\x00\x00\x00\x20\x00\x00")
			return d
		}, 1, nil},
		{"grown", gptScript, func(d memory) memory { return append(d, make([]byte, 1<<20)...) }, 1, nil},
		{"truncated", gptScript, func(d memory) memory { return d[:14<<20] }, 0, nil},
		{"truncated in a partition", gptScript, func(d memory) memory { return d[:6<<20] }, 0, ErrLayout},
		{"partition over the table", gptScript, func(d memory) memory { le.PutUint64(d[1024+32:], 10); sign(d); return d }, 0, ErrLayout},
		{"usable from 2 on", gptScript, func(d memory) memory { le.PutUint64(d[512+40:], 2); sign(d); return d }, 0, ErrLayout},
		{"usable to the end", gptScript, func(d memory) memory { le.PutUint64(d[512+48:], 32767); sign(d); return d }, 0, ErrLayout},
		{"backup at 3", gptScript, func(d memory) memory { le.PutUint64(d[512+32:], 3); sign(d); return d }, 0, ErrLayout},

		{"dos", dosScript, func(d memory) memory { return d }, 0, nil},
		{"dos chain broken", dosScript, func(d memory) memory { clear(d[5<<20:][:512]); return d }, 1, nil},
		{"dos truncated", dosScript, func(d memory) memory { return d[:9<<20] }, 3, nil},
		{"two extended", dosScript, func(d memory) memory {
			copy(d[446+32:], "\x00\x00\x00\x00\x05\x00\x00\x00\x00\x70\x00\x00\x00\x08\x00\x00")
			return d
		}, 0, ErrLayout},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := c.change(bytesDisk(t, c.script))
			e, err := Edit(d, int64(len(d)), EditOptions{})
			if err == nil {
				if err = e.SetBootable(1, true); err != nil {
					t.Fatal(err)
				}
				before := bytes.Clone(d)
				if err = e.Commit(d); err != nil && !bytes.Equal(d, before) {
					t.Error("refused, and written")
				}
			}
			if !errors.Is(err, c.want) || err == nil && c.want != nil {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			table, err := Read(d, int64(len(d)), 512)
			if err != nil || len(table.Problems) != c.problems {
				t.Fatalf("%+v, %v", table, err)
			}
			p := table.Partitions[0]
			if table.Type == "gpt" && p.Type != guidEFI || table.Type == "dos" && !p.Bootable {
				t.Errorf("%+v", p)
			}
		})
	}
}

// Logical partitions that are not as tools make them cannot be changed, but the rest
// can, and they can be deleted with the extended one.
func TestOddChain(t *testing.T) {
	d := memory(bytesDisk(t, dosScript))
	le.PutUint32(d[10240*512+446+32+12:], 5) // a third entry
	le.PutUint32(d[10240*512+446+32+8:], 1)
	before := bytes.Clone(d[512:])
	e := edit(t, d)
	for _, err := range []error{e.Delete(5), e.Resize(6, 10<<20), e.SetType(5, "0x82"), e.Resize(2, 16<<20)} {
		if !errors.Is(err, ErrLayout) {
			t.Error(err)
		}
	}
	if _, err := e.Add(Spec{Start: -1, Role: Logical}); !errors.Is(err, ErrLayout) {
		t.Error(err)
	}
	if err := e.SetType(1, "0x07"); err != nil {
		t.Error(err)
	}
	if p := commit(t, e, d).Partitions[0]; p.Type != "0x07" || !bytes.Equal(before, d[512:]) {
		t.Errorf("%+v", p)
	}
	if err := e.Delete(2); err != nil {
		t.Error(err)
	}
	if table := commit(t, e, d); len(table.Partitions) != 1 || len(table.Problems) != 0 {
		t.Errorf("%+v", table)
	}
}

// The boot code, and cylinders of what has not been changed, stay.
func TestKeepsMBR(t *testing.T) {
	d := memory(bytesDisk(t, dosScript))
	for i := range 440 {
		d[i] = byte(i)
	}
	copy(d[446+1:], "\x01\x02\x03")
	before := bytes.Clone(d)
	e := edit(t, d)
	if err := e.SetBootable(1, true); err != nil {
		t.Fatal(err)
	}
	commit(t, e, d)
	before[446] = 0x80
	if !bytes.Equal(before, d) {
		t.Error("more has changed than one byte")
	}
}

// Expand does what sgdisk -e does, and makes all that there is usable.
func TestExpand(t *testing.T) {
	for _, grow := range []int64{1 << 20, 512, 3 << 40} {
		t.Run(fmt.Sprint(grow), func(t *testing.T) {
			ours, theirs := blank(t, 64<<20), blank(t, 64<<20)
			sfdisk(t, ours, "label: gpt\nlabel-id: 11111111-2222-3333-4444-555555555555\nsize=8M, uuid=21111111-2222-3333-4444-555555555555\nsize=4M, uuid=31111111-2222-3333-4444-555555555555\n")
			if err := testimg.Copy(ours, theirs); err != nil {
				t.Fatal(err)
			}
			size := 64<<20 + grow
			for _, image := range []string{ours, theirs} {
				if err := os.Truncate(image, size); err != nil {
					t.Skip(err)
				}
			}
			testimg.MustRun(t, "sgdisk", "-e", theirs)
			f, err := os.OpenFile(ours, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			e, err := Edit(f, size, EditOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Expand(); err != nil {
				t.Fatal(err)
			}
			if err := e.Commit(f); err != nil {
				t.Fatal(err)
			}
			if out := testimg.MustRun(t, "sgdisk", "-v", ours); !strings.Contains(out, "No problems found") {
				t.Error(out)
			}
			g, err := os.Open(theirs)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			for _, r := range []Range{{512, 33 * 512}, {size - 512, 512}} {
				a, b := make([]byte, r.Size), make([]byte, r.Size)
				if _, err := f.ReadAt(a, r.Start); err != nil {
					t.Fatal(err)
				}
				if _, err := g.ReadAt(b, r.Start); err != nil {
					t.Fatal(err)
				}
				for _, d := range [][]byte{a, b} {
					h := d[bytes.Index(d, []byte(gptSignature)):]
					clear(h[16:20])
					// Sgdisk leaves some sectors at the end unused, and puts the
					// backup's entries before these.
					clear(h[48:56])
					if len(d) == 512 {
						clear(h[72:80])
					}
				}
				if !bytes.Equal(a, b) {
					t.Errorf("differs from sgdisk's at %d", r.Start)
				}
			}
			table := read(t, ours, 512)
			if len(table.Problems) != 0 || len(table.Partitions) != 2 {
				t.Errorf("%+v", table)
			}
			if free := e.Free(Primary); len(free) == 0 || free[len(free)-1].Start+free[len(free)-1].Size != size-33*512 {
				t.Errorf("free: %v", free)
			}
		})
	}
}

// A new table takes the place of any other, and IDs are those of the source of
// randomness.
func TestNewOverOld(t *testing.T) {
	for _, from := range []string{"gpt 512", "gpt 4096", "dos 512"} {
		for _, to := range []string{"gpt 512", "gpt 4096", "dos 512"} {
			d := memory(bytes.Repeat([]byte{0xcc}, 4<<20))
			var ids []string
			for i, what := range []string{from, to} {
				kind, sector, _ := strings.Cut(what, " ")
				o := EditOptions{SectorSize: map[string]int{"512": 512, "4096": 4096}[sector], Rand: randomBytes{rand.New(rand.NewPCG(uint64(i), 9))}}
				e, err := New(kind, int64(len(d)), o)
				if err != nil {
					t.Fatal(err)
				}
				if err := e.Commit(d); err != nil {
					t.Fatal(err)
				}
				table, err := Read(d, int64(len(d)), 0)
				if err != nil || table.Type != kind || len(table.Partitions) != 0 || len(table.Problems) != 0 || kind == "gpt" && table.SectorSize != o.SectorSize {
					t.Errorf("%s, %s: %+v, %v", from, to, table, err)
				}
				ids = append(ids, table.ID)
			}
			if ids[0] == ids[1] || ids[0] == "" {
				t.Errorf("IDs %q", ids)
			}
		}
	}
}

// Parted makes the same partitions of the same commands.
func TestParted(t *testing.T) {
	for _, c := range []struct{ kind, commands string }{
		{"gpt", "mkpart p 128 -129"},
		{"gpt", "mkpart p 2048 4095; mkpart p 8192 10000; rm 1; mkpart p 34 1000; resizepart 2 20000; set 2 boot on"},
		{"gpt", "mkpart p 2048 4095; set 1 boot on; set 1 boot off; name 1 other"},
		{"dos", "mkpart primary 128 -1"},
		{"dos", "mkpart primary 2048 4095; mkpart extended 8192 100000; mkpart logical 10240 20000; mkpart logical 30000 40000; set 1 boot on; set 5 boot on"},
		{"dos", "mkpart extended 8192 100000; mkpart logical 10240 20000; mkpart logical 30000 40000; mkpart logical 50000 60000; rm 6; resizepart 6 65000"},
		{"dos", "mkpart extended 8192 100000; mkpart logical 10240 20000; rm 5; rm 1; mkpart primary 9000 10000"},
	} {
		t.Run(c.kind+" "+c.commands, func(t *testing.T) {
			theirs := blank(t, 64<<20)
			args := []string{"-s", theirs, "--", "unit", "s", "mklabel", map[string]string{"gpt": "gpt", "dos": "msdos"}[c.kind]}
			e, err := New(c.kind, 64<<20, EditOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for command := range strings.SplitSeq(c.commands, "; ") {
				args = append(args, strings.Fields(command)...)
				if err := parted(e, strings.Fields(command)); err != nil {
					t.Fatalf("%s: %v", command, err)
				}
			}
			testimg.MustRun(t, "parted", args...)
			want := read(t, theirs, 512)
			got, err := e.Table()
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range []*Table{got, want} {
				for i := range table.Partitions {
					table.Partitions[i].UUID = ""
				}
			}
			if !slices.Equal(got.Partitions, want.Partitions) {
				t.Errorf("got  %+v\nwant %+v", got.Partitions, want.Partitions)
			}
		})
	}
}

// parted does what a command of parted does, with places in sectors.
func parted(e *Editor, f []string) error {
	number := func(s string) int64 {
		var n int64
		fmt.Sscan(s, &n)
		if strings.HasPrefix(s, "-") {
			n += e.d.size / 512
		}
		return n
	}
	n := int(number(f[1]))
	switch f[0] {
	case "mkpart":
		s := Spec{Start: number(f[2]) * 512, Role: Role(f[1])}
		s.Size = (number(f[3])+1)*512 - s.Start
		if f[1] == "p" {
			s.Role, s.Name = Primary, "p"
		}
		_, err := e.Add(s)
		return err
	case "rm":
		return e.Delete(n)
	case "resizepart":
		return e.Resize(n, (number(f[2])+1)*512)
	case "name":
		return e.SetName(n, f[2])
	default:
		return e.SetBootable(n, f[3] == "on")
	}
}

// Types are translated as sgdisk does it, where this package knows better than Linux.
func TestGPTType(t *testing.T) {
	image := blank(t, 4<<20)
	for _, b := range []byte{0x01, 0x07, 0x0c, 0x1e, 0x27, 0x39, 0x41, 0x42, 0x82, 0x83, 0x85, 0x8e, 0xa5, 0xa6, 0xa8, 0xa9, 0xab, 0xaf,
		0xbe, 0xbf, 0xda, 0xea, 0xeb, 0xef, 0xfb, 0xfc, 0xfd} {
		d := make(memory, 512)
		copy(d[446:], []byte{0, 0, 0, 0, b, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0})
		d[440], d[510], d[511] = 1, 0x55, 0xaa
		f, err := os.OpenFile(image, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(d); err != nil {
			t.Fatal(err)
		}
		f.Close()
		out := strings.ToLower(testimg.MustRun(t, "sgdisk", "-i", "1", image))
		want := GPTType(b)
		if want == "" && strings.Contains(out, "guid code") || want != "" && !strings.Contains(out, "guid code: "+want) {
			t.Errorf("%#x: %q, and sgdisk has %s", b, want, out)
		}
	}
}

// TestTurnExtended has tools that make a partition first, and say then that it is an
// extended one, as virt-resize does.
func TestTurnExtended(t *testing.T) {
	testimg.Need(t, "sfdisk")
	d := make(memory, 32<<20)
	e, err := New("dos", int64(len(d)), EditOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Spec{{Start: 1 << 20, Size: 4 << 20}, {Start: 8 << 20, Size: 16 << 20}} {
		if _, err := e.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, e, d)
	e = edit(t, d)
	if err := e.SetType(2, "0x05"); err != nil {
		t.Fatal(err)
	}
	if err := e.SetType(1, "0x0f"); !errors.Is(err, ErrKind) {
		t.Errorf("a second extended partition: %v", err)
	}
	for _, kind := range []string{"0x83", "0x0f", "0x83", "0x05"} { // nothing is in it
		if err := e.SetType(2, kind); err != nil {
			t.Error(err)
		}
	}
	commit(t, e, d)
	e = edit(t, d)
	if n, err := e.Add(Spec{Start: 9 << 20, Size: 1 << 20, Role: Logical}); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	for number, kind := range map[int]string{2: "0x83", 5: "0x05"} {
		if err := e.SetType(number, kind); !errors.Is(err, ErrKind) {
			t.Errorf("%d, %s: %v", number, kind, err)
		}
	}
	table := commit(t, e, d)
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, d, 0o600); err != nil {
		t.Fatal(err)
	}
	dump := testimg.MustRun(t, "sfdisk", "-d", file)
	for i, want := range []string{"start=        2048, size=        8192, type=83", "start=       16384, size=       32768, type=5", "start=       18432, size=        2048, type=83"} {
		if !strings.Contains(dump, want) || len(table.Partitions) != 3 {
			t.Errorf("partition %d of %+v is not %q:\n%s", i, table.Partitions, want, dump)
		}
	}
	// What was data stays, should the type be an error.
	copy(d[1<<20:], "data of somebody's, no chain")
	e = edit(t, d)
	if err := errors.Join(e.Delete(2), e.SetType(1, "0x05")); err != nil {
		t.Fatal(err)
	}
	commit(t, e, d)
	if !bytes.HasPrefix(d[1<<20:], []byte("data of somebody's")) {
		t.Error("the first sector was written to")
	}
}
