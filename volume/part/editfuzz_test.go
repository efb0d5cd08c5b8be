package part

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
)

// FuzzEdit edits whatever is said to be a table. It must not write to a partition, and
// what is read afterwards must be what the editor says.
func FuzzEdit(f *testing.F) {
	for _, kind := range []string{"gpt", "dos"} {
		for _, sector := range []int{512, 4096} {
			d := make(memory, 2<<20)
			e, err := New(kind, int64(len(d)), EditOptions{SectorSize: sector, Rand: randomBytes{rand.New(rand.NewPCG(1, 1))}})
			if err != nil {
				f.Fatal(err)
			}
			if kind == "dos" {
				for _, s := range []Spec{{Start: 64 << 10, Size: 64 << 10}, {Role: Extended, Start: 256 << 10},
					{Role: Logical, Start: 512 << 10, Size: 64 << 10}, {Role: Logical, Start: 768 << 10, Size: 64 << 10}} {
					if _, err := e.Add(s); err != nil {
						f.Fatal(err)
					}
				}
			} else if _, err := e.Add(Spec{Start: 1 << 20, Name: "one"}); err != nil {
				f.Fatal(err)
			}
			if err := e.Commit(d); err != nil {
				f.Fatal(err)
			}
			for _, ops := range []string{"\x00\x05\x09", "\x01\x01\x01\x02\x05\x03", "\x07\x01\x01\x06\x06\x70"} {
				// The start and the end of the disk, which is all there is to it.
				f.Add([]byte(d[:32<<10]), []byte(d[256<<10:][:4<<10]), []byte(d[len(d)-20<<10:]), []byte(ops), sector == 4096)
			}
		}
	}
	f.Fuzz(func(t *testing.T, head, middle, tail, ops []byte, big bool) {
		const size = 2 << 20
		if len(head) > 256<<10 || len(middle) > 256<<10 || len(tail) > 256<<10 || len(ops) > 60 {
			return
		}
		d := make(memory, size)
		copy(d, head)
		copy(d[256<<10:], middle)
		copy(d[len(d)-len(tail):], tail)
		if string(d[512:520]) == gptSignature {
			sign(d) // or nothing but damaged tables would be tried
		}
		o := EditOptions{Rand: randomBytes{rand.New(rand.NewPCG(2, 2))}}
		if big {
			o.SectorSize = 4096
		}
		e, err := Edit(d, size, o)
		if err != nil {
			return
		}
		edited := false
		for ; len(ops) >= 3; ops = ops[3:] {
			edited = fuzzEdit(t, e, ops) == nil || edited
		}
		before := bytes.Clone(d)
		want, err := e.Table()
		if err != nil && !errors.Is(err, ErrLayout) && !errors.Is(err, ErrNoTable) {
			t.Fatal(err)
		}
		w := &guarded{memory: d, e: e, t: t}
		if want != nil {
			for _, p := range want.Partitions {
				if !p.Extended {
					w.keep = append(w.keep, Range{p.Start, p.Size})
				}
			}
		}
		switch err := e.Commit(w); {
		case errors.Is(err, ErrLayout):
			if !bytes.Equal(before, d) {
				t.Error("refused, and written")
			}
			return
		case err != nil:
			t.Fatal(err)
		}
		got, err := Read(d, size, int(e.d.sector))
		if (err == nil) != (want != nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
		}
	})
}

// fuzzEdit does something to a table.
func fuzzEdit(t *testing.T, e *Editor, op []byte) error {
	number, value := int(op[1]%10), int64(op[2])
	switch op[0] % 9 {
	case 0:
		role := []Role{Primary, Extended, Logical}[op[1]%3]
		spec := Spec{Role: role, Start: value << 13, Size: int64(op[1]) << 12}
		if value == 255 {
			spec.Start = -1
		}
		n, err := e.Add(spec)
		if err == nil && n < 1 {
			t.Errorf("added partition %d", n)
		}
		return err
	case 1:
		return e.Delete(number)
	case 2:
		return e.Resize(number, value<<13)
	case 3:
		if e.Type() == "dos" {
			return e.SetType(number, []string{"0x05", "0x82", "07"}[value%3])
		}
		return e.SetType(number, guidEFI)
	case 4:
		return e.SetBootable(number, value%2 == 0)
	case 5:
		return e.SetID("")
	case 6:
		return e.SetName(number, string(op))
	case 7:
		return e.Expand()
	default:
		for _, r := range e.Free([]Role{Primary, Extended, Logical}[op[1]%3]) {
			if r.Start < 0 || r.Size <= 0 || r.Start+r.Size > e.d.size {
				t.Errorf("free: %+v", r)
			}
		}
		return e.SetAttributes(number, uint64(value))
	}
}

// memory is a disk in memory.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m).ReadAt(p, off) }

func (m memory) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(m)) {
		return 0, io.ErrShortWrite
	}
	return copy(m[off:], p), nil
}

// guarded is a disk with places that must not be written to. The first sector is the
// table's, even if a partition is said to begin there.
type guarded struct {
	memory
	t    *testing.T
	e    *Editor
	keep []Range
}

func (g *guarded) WriteAt(p []byte, off int64) (int, error) {
	sector := g.e.d.sector
	if off%sector != 0 || int64(len(p))%sector != 0 || len(p) == 0 {
		g.t.Errorf("write %d bytes at %d", len(p), off)
	}
	for _, k := range g.keep {
		if off > 0 && off < k.Start+k.Size && k.Start < off+int64(len(p)) {
			g.t.Errorf("write %d bytes at %d, which is in the partition %+v", len(p), off, k)
		}
	}
	return g.memory.WriteAt(p, off)
}
