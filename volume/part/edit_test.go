package part

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// randomBytes makes IDs that are the same each time.
type randomBytes struct{ *rand.Rand }

func (r randomBytes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return len(p), nil
}

// smallExtended is the size of the smallest extended partition that is tried, in bytes.
// In one that is smaller than a track, parted sees a logical partition outside of it.
const smallExtended = 1 << 20

// session edits an image at random, and knows what there has to be.
type session struct {
	t      *testing.T
	rand   *rand.Rand
	image  string // a file
	file   *os.File
	device string // the file, or a loop device for it
	size   int64
	sector int64
	kind   string
	e      *Editor
	id     string
	parts  map[int64]Partition // by their starts
	log    []string
}

// TestRandomEdits edits tables at random. After each edit, what is read is what was
// meant, and all tools say the same.
func TestRandomEdits(t *testing.T) {
	testimg.Need(t, "sfdisk", "sgdisk", "parted", "partx", "blkid")
	sequences := 160
	if testing.Short() {
		sequences = 20
	}
	for i := range sequences {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			kind := []string{"gpt", "dos"}[i%2]
			size := []int64{64 << 20, 3 << 40, 100<<20 + 512, 7 << 30}[i/2%4]
			if kind == "dos" && size > 2<<40 {
				size = 1 << 40
			}
			runSession(t, kind, size, 512, uint64(i), 6)
		})
	}
}

// TestRandomEdits4096 is for sectors of 4096 bytes, for which tools want a device.
func TestRandomEdits4096(t *testing.T) {
	testimg.NeedRoot(t)
	testimg.Need(t, "sfdisk", "sgdisk", "parted", "partx", "blkid", "losetup")
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			runSession(t, []string{"gpt", "dos"}[i%2], 512<<20, 4096, uint64(1000+i), 10)
		})
	}
}

func runSession(t *testing.T, kind string, size, sector int64, seed uint64, edits int) {
	r := rand.New(rand.NewPCG(seed, 6))
	s := &session{t: t, rand: r, image: blank(t, size), size: size, sector: sector, kind: kind, parts: map[int64]Partition{}}
	s.device = s.image
	if sector != 512 {
		s.device = strings.TrimSpace(testimg.MustRun(t, "losetup", "-f", "--show", "-b", fmt.Sprint(sector), s.image))
		t.Cleanup(func() { testimg.MustRun(t, "losetup", "-d", s.device) })
	}
	defer func() {
		if t.Failed() {
			t.Logf("%s, %d bytes:\n%s", kind, size, strings.Join(s.log, "\n"))
		}
	}()
	var err error
	if s.file, err = os.OpenFile(s.image, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.file.Close() })
	s.e, err = New(kind, size, EditOptions{SectorSize: int(sector), Rand: randomBytes{r}})
	if err != nil {
		t.Fatal(err)
	}
	s.id = s.table().ID
	s.commit()
	for range edits {
		s.edit()
		s.commit()
		if t.Failed() {
			return
		}
	}
}

func (s *session) table() *Table {
	s.t.Helper()
	table, err := s.e.Table()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, strings.Join(s.log, "\n"))
	}
	return table
}

// edit does one thing, which has to work.
func (s *session) edit() {
	s.t.Helper()
	table := s.table()
	var p *Partition
	if n := len(table.Partitions); n > 0 {
		p = &table.Partitions[s.rand.IntN(n)]
	}
	switch op := s.rand.IntN(12); {
	case p == nil || op < 6:
		s.add()
	case op < 7:
		s.delete(table, p)
	case op < 9:
		s.resize(table, p)
	default:
		s.change(p)
	}
}

func (s *session) do(what string, err error) {
	s.t.Helper()
	s.log = append(s.log, what)
	if err != nil {
		s.t.Errorf("%s: %v", what, err)
	}
}

// add adds a partition somewhere in what is free.
func (s *session) add() {
	s.t.Helper()
	spec := Spec{Role: Primary, Start: -1}
	if s.kind == "dos" {
		spec.Role = []Role{Primary, Extended, Logical, Logical, Logical}[s.rand.IntN(5)]
	} else {
		spec.Name = []string{"", "data", "a b ü日本", strings.Repeat("x", 36)}[s.rand.IntN(4)]
		spec.Attributes = []uint64{0, 4, 1, 1 << 60, 1<<63 | 4}[s.rand.IntN(5)]
		spec.Type = []string{"", guidEFI, "11111111-2222-3333-4444-555555555555"}[s.rand.IntN(3)]
		if s.rand.IntN(3) == 0 {
			spec.Number = 1 + s.rand.IntN(128)
		}
	}
	if free := s.e.Free(spec.Role); len(free) > 0 && s.rand.IntN(3) > 0 {
		// At an odd place.
		f := free[s.rand.IntN(len(free))]
		n := f.Size / s.sector
		first := s.rand.Int64N(min(n, 40_000))
		if s.rand.IntN(4) == 0 {
			first = 0
		}
		spec.Start = f.Start + first*s.sector
		spec.Size = min(n-first, 1+s.rand.Int64N(90_000)) * s.sector
		if s.rand.IntN(4) == 0 {
			spec.Size = 0
		}
		if spec.Role == Extended {
			if f.Start+f.Size-spec.Start < smallExtended {
				return
			}
			if spec.Size != 0 {
				spec.Size = max(spec.Size, smallExtended)
			}
		}
	} else if s.rand.IntN(3) > 0 {
		spec.Size = (1 + s.rand.Int64N(20)) << 20
	}
	number, err := s.e.Add(spec)
	if errors.Is(err, ErrNoSpace) && (spec.Start == -1 || spec.Role != Primary || spec.Number != 0 || strings.Contains(err.Error(), "there are 4")) {
		return
	}
	s.do(fmt.Sprintf("add %+v: %d", spec, number), err)
	p := find(s.table(), number)
	if p == nil {
		s.t.Fatalf("there is no partition %d", number)
	}
	want := Partition{Number: number, Start: p.Start, Size: p.Size, Name: spec.Name, Attributes: spec.Attributes, UUID: p.UUID, Extended: spec.Role == Extended}
	if spec.Start >= 0 {
		want.Start = spec.Start
	} else if p.Start%grain != 0 {
		s.t.Errorf("the start is %d", p.Start)
	}
	if spec.Size > 0 {
		want.Size = spec.Size
	}
	want.Bootable = spec.Attributes&4 != 0
	switch want.Type = spec.Type; {
	case spec.Type != "":
	case s.kind == "gpt":
		want.Type = guidLinux
	case spec.Role == Extended:
		want.Type = "0x0f"
	default:
		want.Type = "0x83"
	}
	s.parts[want.Start] = want
}

func (s *session) delete(table *Table, p *Partition) {
	s.t.Helper()
	s.do(fmt.Sprintf("delete %d", p.Number), s.e.Delete(p.Number))
	delete(s.parts, p.Start)
	if p.Extended {
		for _, q := range table.Partitions {
			if q.Role(table.Type) == Logical {
				delete(s.parts, q.Start)
			}
		}
	}
}

func (s *session) resize(table *Table, p *Partition) {
	s.t.Helper()
	// Up to what follows, and some may be too much.
	end := p.Start + (1+s.rand.Int64N(p.Size/s.sector*2))*s.sector
	if p.Extended {
		end = max(end, p.Start+smallExtended)
	}
	err := s.e.Resize(p.Number, end)
	if errors.Is(err, ErrNoSpace) {
		if end <= p.End() && !p.Extended {
			s.t.Errorf("resize %+v to %d: %v", p, end, err)
		}
		return
	}
	s.do(fmt.Sprintf("resize %d to %d", p.Number, end), err)
	q := s.parts[p.Start]
	q.Size = end - p.Start
	s.parts[p.Start] = q
}

// change changes what is not the place.
func (s *session) change(p *Partition) {
	s.t.Helper()
	q := s.parts[p.Start]
	n := p.Number
	if s.kind == "dos" {
		switch s.rand.IntN(3) {
		case 0:
			q.Type = []string{"0x07", "0x8e", "0x82"}[s.rand.IntN(3)]
			if q.Extended {
				q.Type = "0x05"
			}
			s.do(fmt.Sprintf("type %d %s", n, q.Type), s.e.SetType(n, q.Type))
		case 1:
			q.Bootable = s.rand.IntN(2) == 0
			if q.Bootable {
				for start, p := range s.parts {
					p.Bootable = false
					s.parts[start] = p
				}
			}
			s.do(fmt.Sprintf("bootable %d %v", n, q.Bootable), s.e.SetBootable(n, q.Bootable))
		default:
			s.id = []string{"12345678", fmt.Sprintf("%08x", s.rand.Uint32()|1)}[s.rand.IntN(2)]
			s.do("ID "+s.id, s.e.SetID(s.id))
		}
	} else {
		switch s.rand.IntN(6) {
		case 0:
			q.Type = []string{"e6d6d379-f507-44c2-a23c-238f2a3df928", guidLinux}[s.rand.IntN(2)]
			s.do(fmt.Sprintf("type %d %s", n, q.Type), s.e.SetType(n, strings.ToUpper(q.Type)))
		case 1:
			on := s.rand.IntN(2) == 0
			if on {
				q.Type = guidEFI
			} else if q.Type == guidEFI {
				q.Type = guidLinux
			}
			s.do(fmt.Sprintf("bootable %d %v", n, on), s.e.SetBootable(n, on))
		case 2:
			q.Name = []string{"", "other", "ένα"}[s.rand.IntN(3)]
			s.do(fmt.Sprintf("name %d %q", n, q.Name), s.e.SetName(n, q.Name))
		case 3:
			q.UUID = fmt.Sprintf("%08x-1111-2222-3333-444444444444", s.rand.Uint32())
			s.do(fmt.Sprintf("UUID %d %s", n, q.UUID), s.e.SetUUID(n, q.UUID))
		case 4:
			q.Attributes = s.rand.Uint64() & (0xffff<<48 | 7)
			q.Bootable = q.Attributes&4 != 0
			s.do(fmt.Sprintf("attributes %d %x", n, q.Attributes), s.e.SetAttributes(n, q.Attributes))
		default:
			s.id = fmt.Sprintf("%08x-aaaa-bbbb-cccc-dddddddddddd", s.rand.Uint32())
			s.do("ID "+s.id, s.e.SetID(s.id))
		}
	}
	s.parts[p.Start] = q
}

func find(t *Table, number int) *Partition {
	for i := range t.Partitions {
		if t.Partitions[i].Number == number {
			return &t.Partitions[i]
		}
	}
	return nil
}

// commit writes, and compares what is there with everything.
func (s *session) commit() {
	s.t.Helper()
	f := s.file
	want := s.table()
	if len(s.log) > 0 {
		s.interrupt(f, want)
	}
	if err := s.e.Commit(f); err != nil {
		s.t.Fatal(err)
	}
	got, err := Read(f, s.size, int(s.sector))
	if err != nil {
		s.t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		s.t.Errorf("read %+v\nwant %+v", got, want)
	}
	s.compareModel(got)
	if s.device != s.image {
		testimg.MustRun(s.t, "blockdev", "--flushbufs", s.device)
	}
	s.compareTools(got)
	if s.rand.IntN(2) == 0 {
		if s.e, err = Edit(f, s.size, EditOptions{SectorSize: int(s.sector), Rand: randomBytes{s.rand}}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// compareModel compares a table with what was meant.
func (s *session) compareModel(got *Table) {
	s.t.Helper()
	if got.Type != s.kind || got.ID != s.id || len(got.Problems) != 0 {
		s.t.Errorf("type %q, ID %q, not %q; problems %q", got.Type, got.ID, s.id, got.Problems)
	}
	want := slices.SortedFunc(maps.Values(s.parts), func(a, b Partition) int { return int(min(max(a.Start-b.Start, -1), 1)) })
	have := slices.Clone(got.Partitions)
	slices.SortFunc(have, func(a, b Partition) int { return int(min(max(a.Start-b.Start, -1), 1)) })
	if len(want) != len(have) {
		s.t.Errorf("got  %+v\nwant %+v", have, want)
		return
	}
	logical := 5
	for i := range want {
		w, h := want[i], have[i]
		h.TypeName = ""
		switch {
		case s.kind == "dos" && w.Number > 4:
			w.Number = logical
			logical++
			fallthrough
		case s.kind == "dos":
			w.UUID = fmt.Sprintf("%s-%02x", s.id, w.Number)
		}
		if h != w {
			s.t.Errorf("got  %+v\nwant %+v", h, w)
		}
	}
}

// interrupt looks at what there is if only a part of the writes has been done. That is
// the old table or the new one. Changes of flags in several sectors are seen one by one.
func (s *session) interrupt(f *os.File, want *Table) {
	s.t.Helper()
	before, err := Read(f, s.size, int(s.sector))
	if err != nil {
		s.t.Fatal(err)
	}
	steps, err := s.e.Plan()
	if err != nil {
		s.t.Fatal(err)
	}
	var writes []Write
	for _, step := range steps {
		for _, w := range step {
			for at := int64(0); at < int64(len(w.Data)); at += s.sector {
				writes = append(writes, Write{w.Off + at, w.Data[at : at+s.sector]})
			}
		}
	}
	plain := func(t *Table) string {
		text := t.ID
		if t.Type == "dos" {
			text = ""
		}
		for _, p := range t.Partitions {
			if t.Type == "dos" {
				p.Bootable, p.UUID = false, ""
			}
			text += fmt.Sprintf(" %+v", p)
		}
		return text
	}
	for n := range writes {
		if n > 4 && n < len(writes)-4 && s.rand.IntN(10) > 0 {
			continue
		}
		got, err := Read(&overlay{f, s.size, [][]Write{writes[:n]}}, s.size, int(s.sector))
		if err != nil {
			s.t.Errorf("interrupted after %d of %d sectors: %v", n, len(writes), err)
		} else if p := plain(got); p != plain(before) && p != plain(want) {
			s.t.Errorf("interrupted after %d of %d sectors: %s\nbefore %s\nafter  %s", n, len(writes), p, plain(before), plain(want))
		}
	}
}

// compareTools compares a table with what all the tools say.
func (s *session) compareTools(got *Table) {
	s.t.Helper()
	t := s.t
	if len(got.Partitions) > 0 { // old sfdisks do not list an empty table's partitions
		compare(t, got, sfdiskJSON(t, s.device, int(s.sector)))
	}
	if s.kind == "gpt" {
		if out := testimg.MustRun(t, "sgdisk", "-v", s.device); !strings.Contains(out, "No problems found") {
			t.Errorf("sgdisk: %s", out)
		}
	}
	var want []string
	for _, p := range got.Partitions {
		want = append(want, fmt.Sprintf("%d:%ds:%ds:%ds", p.Number, p.Start/s.sector, p.End()/s.sector-1, p.Size/s.sector))
	}
	slices.SortFunc(want, byNumber)
	out := testimg.MustRun(t, "parted", "-ms", s.device, "unit", "s", "print")
	var have []string
	for line := range strings.Lines(out) {
		if f := strings.Split(line, ":"); len(f) > 4 && strings.HasSuffix(f[1], "s") && f[0] != s.device {
			have = append(have, strings.Join(f[:4], ":"))
		}
	}
	slices.SortFunc(have, byNumber)
	if !slices.Equal(have, want) {
		t.Errorf("parted: %s\nwant %q", out, want)
	}
	if strings.Contains(out, "Warning") || strings.Contains(out, "Error") {
		t.Errorf("parted: %s", out)
	}

	out = testimg.MustRun(t, "blkid", "-p", "-o", "export", s.device)
	if !strings.Contains(out, "PTUUID="+got.ID+"\n") || !strings.Contains(out, "PTTYPE="+got.Type+"\n") {
		t.Errorf("blkid: %s", out)
	}
	if len(got.Partitions) == 0 {
		return
	}
	out = testimg.MustRun(t, "partx", "-g", "-r", "-o", "NR,START,TYPE,UUID", s.device)
	want = nil
	for _, p := range got.Partitions {
		kind := p.Type
		if s.kind == "dos" {
			n, _ := strconv.ParseUint(kind[2:], 16, 8)
			kind = fmt.Sprintf("0x%x", n)
		}
		want = append(want, fmt.Sprintf("%d %d %s %s", p.Number, p.Start/512, kind, p.UUID))
	}
	have = nil
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 4 {
			have = append(have, strings.Join(f, " "))
		}
	}
	slices.SortFunc(have, byNumber)
	slices.SortFunc(want, byNumber)
	if !slices.Equal(have, want) {
		t.Errorf("partx: %s\nwant %q", out, want)
	}
}

func byNumber(a, b string) int {
	number := func(s string) int {
		n, _ := strconv.Atoi(s[:strings.IndexAny(s, ": ")])
		return n
	}
	return number(a) - number(b)
}
