package sfdisk

import (
	"strings"
	"testing"

	"github.com/unboot/unboot/volume/part"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Line{
		"":             {Spec: part.Spec{Start: -1}},
		",":            {Spec: part.Spec{Start: -1}},
		"+,+,":         {Spec: part.Spec{Start: -1}},
		"1,2,L,*":      {Spec: part.Spec{Start: 512, Size: 1024, Type: "0x83"}, Bootable: true},
		"1 2 S":        {Spec: part.Spec{Start: 512, Size: 1024, Type: "0x82"}},
		" 1 , 2 , 0x7": {Spec: part.Spec{Start: 512, Size: 1024, Type: "0x07"}},
		",,E":          {Spec: part.Spec{Start: -1, Type: "0x05", Role: part.Extended}},
		",,f":          {Spec: part.Spec{Start: -1, Type: "0x0f", Role: part.Extended}},
	} {
		if got, err := Parse(text, 512); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"x", "-1", ",-1", ",,zz", ",,100", ",,0x", "9223372036854775807", "1,9007199254740993"} {
		if l, err := Parse(text, 512); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %+v, %v", text, l, err)
		}
	}
}

func table(t *testing.T, e *part.Editor) string {
	t.Helper()
	tab, err := e.Table()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(List("/dev/sda", 64<<20, tab), "\n\n")
	_, list, _ = strings.Cut(list, "\n")
	return strings.Join(strings.Fields(list), " ")
}

// Five lines make four primary partitions and a logical one, and a line that changes one
// keeps what it leaves out.
func TestMakeAndSet(t *testing.T) {
	e, err := part.New("dos", 64<<20, part.EditOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Make(e, []string{"2048,2048,L,*", "4096,2048", "6144,2048,S", "8192,,E", "10240,2048"}, 512); err != nil {
		t.Fatal(err)
	}
	const others = " /dev/sda2 4096 6143 2048 Linux /dev/sda3 6144 8191 2048 Linux swap /dev/sda4 8192 131071 122880 extended /dev/sda5 10240 12287 2048 Linux"
	if got := table(t, e); got != "/dev/sda1 * 2048 4095 2048 Linux"+others {
		t.Errorf("made: %s", got)
	}
	if err := Set(e, 1, ",1024,7", 512); err != nil {
		t.Fatal(err)
	}
	if got := table(t, e); got != "/dev/sda1 2048 3071 1024 NTFS, exFAT or HPFS"+others {
		t.Errorf("changed: %s", got)
	}
	if err := Set(e, 5, ",1024", 512); err != nil {
		t.Fatal(err)
	}
	if got := table(t, e); !strings.HasSuffix(got, "/dev/sda5 10240 11263 1024 Linux") {
		t.Errorf("a logical one changed: %s", got)
	}
	if err := Set(e, 2, "x", 512); err == nil {
		t.Error("a line that says nothing")
	}
}

func TestList(t *testing.T) {
	if got := List("/dev/sda", 1<<20, nil); got != "Disk /dev/sda: 1048576 bytes, 2048 sectors\n" {
		t.Errorf("without a table: %q", got)
	}
	if got := Geometry("/dev/sda", 64<<20); got != "/dev/sda: 8 cylinders, 255 heads, 63 sectors/track\n" {
		t.Errorf("geometry: %q", got)
	}
}

// FuzzParse: a line is read or refused, and its numbers fit a disk.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "1,2,L,*", "+ + 0x83 *", ",,E"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := Parse(s, 1<<20)
		if err == nil && (l.Start < -1 || l.Size < 0 || l.Start+l.Size < -1) {
			t.Errorf("%q: %+v", s, l)
		}
	})
}
