package hive

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// The input is what is in the bins, whose header and that of the file are good.
func FuzzRead(f *testing.F) {
	header := bytes.Clone(New().data[:headerSize+binHeader])
	for _, h := range []*Hive{New(), software(f), sample(f)} {
		data := bytes.TrimRight(h.data[headerSize+binHeader:], "\x00")
		f.Add(data[:min(len(data), 4000)])
	}
	f.Fuzz(func(t *testing.T, cells []byte) {
		data := append(bytes.Clone(header), cells...)
		data = append(data, make([]byte, binAlign-(len(data)%binAlign))...)
		le.PutUint32(data[hdrBinsSize:], uint32(len(data)-headerSize))
		le.PutUint32(data[headerSize+8:], uint32(len(data)-headerSize))
		readAll(data)
	})
}

// FuzzPatch reads a hive with all kinds of records, after it was changed in some
// places.
func FuzzPatch(f *testing.F) {
	base := sample(f).data
	f.Add(uint16(0), uint32(0), uint16(0), uint32(0), uint16(0), uint32(0))
	f.Add(uint16(0x24), uint32(1), uint16(0x200), uint32(0x20), uint16(0x180), uint32(0xffffffff))
	f.Fuzz(func(t *testing.T, at1 uint16, to1 uint32, at2 uint16, to2 uint32, at3 uint16, to3 uint32) {
		data := bytes.Clone(base)
		patch(data, at1, to1)
		patch(data, at2, to2)
		patch(data, at3, to3)
		readAll(data)
	})
}

// patch changes a field of a record.
func patch(data []byte, at uint16, to uint32) {
	if to == 0 {
		return
	}
	off := headerSize + int(at)%(binAlign-3) // most records are in the first bin
	if to>>16 == 0 && to&1 != 0 {            // half of them are two bytes
		le.PutUint16(data[off:], uint16(to>>1))
		return
	}
	le.PutUint32(data[off:], to)
}

// readAll makes all calls that read.
func readAll(data []byte) {
	for _, flags := range []Flag{0, Unsafe, Write} {
		h, err := Parse(data, flags)
		if err != nil {
			continue
		}
		walk(h)
		h.Lookup("Microsoft", "Windows NT", "CurrentVersion")
		for id := uint32(headerSize); id < headerSize+1024; id += 8 {
			h.NodeName(NodeID(id))
			h.Children(NodeID(id))
			h.ValueData(ValueID(id))
		}
	}
}

// Some places of a good hive are changed, then it is edited at random. What is added is
// found; what fails changes nothing; and a hive that is sound stays so.
func FuzzEdit(f *testing.F) {
	base := sample(f).data
	f.Add(uint64(1), uint16(0), uint32(0), uint16(0), uint32(0))
	f.Add(uint64(2), uint16(0x24), uint32(1), uint16(0x200), uint32(0x20))
	f.Fuzz(func(t *testing.T, seed uint64, at1 uint16, to1 uint32, at2 uint16, to2 uint32) {
		data := bytes.Clone(base)
		patch(data, at1, to1)
		patch(data, at2, to2)
		h, err := Parse(data, Write)
		if err != nil {
			return
		}
		r := rand.New(rand.NewPCG(seed, 6))
		sound := len(h.Faults()) == 0
		for range 30 {
			ids := reachable(h)
			id := ids[r.IntN(len(ids))]
			before := snapshot(h, sound)
			var what string
			switch r.IntN(5) {
			case 0, 1:
				name := randomName(r, 255)
				var child NodeID
				if child, err = h.AddChild(id, name); err == nil {
					if got, err := h.Child(id, name); err != nil || got != child {
						t.Fatalf("the new child %q is not found: %v", name, err)
					}
				}
				what = "add"
			case 2:
				err = h.DeleteChild(id)
				what = "delete"
			case 3:
				v := randomValue(r, 20_000)
				if err = h.SetValue(id, v); err == nil {
					if got, err := h.Value(id, v.Name); err != nil {
						t.Fatalf("the new value %q: %v", v.Name, err)
					} else if _, data, err := h.ValueData(got); err != nil || !bytes.Equal(data, v.Data) {
						t.Fatalf("the new value %q: %v", v.Name, err)
					}
				}
				what = "set"
			case 4:
				err = h.SetValues(id, []Value{randomValue(r, 100)})
				what = "set all"
			}
			if err != nil {
				if after := snapshot(h, sound); after != before {
					t.Fatalf("%s failed and changed the hive: %v", what, err)
				}
			}
		}
		written, err := h.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(written, Write)
		if err != nil {
			t.Fatal(err)
		}
		if sound && len(again.Faults()) > 0 {
			t.Fatal("a sound hive has a fault now:", again.Faults()[0])
		}
		if sound && snapshot(h, true) != snapshot(again, true) {
			t.Fatal("another hive was written")
		}
	})
}

// reachable returns the nodes of a hive, each once.
func reachable(h *Hive) []NodeID {
	root, _ := h.Root()
	list, seen := []NodeID{root}, map[NodeID]bool{root: true}
	for i := 0; i < len(list); i++ {
		children, _ := h.Children(list[i])
		for _, c := range children {
			if !seen[c] {
				seen[c] = true
				list = append(list, c)
			}
		}
	}
	return list
}

// snapshot describes all of a sound hive.
func snapshot(h *Hive, sound bool) string {
	if !sound {
		return ""
	}
	var b bytes.Buffer
	for _, id := range reachable(h) {
		name, err := h.NodeName(id)
		fmt.Fprintf(&b, "%x %q %v\n", id, name, err)
		values, err := h.Values(id)
		fmt.Fprintln(&b, err)
		for _, v := range values {
			value, err := h.valueOf(v)
			fmt.Fprintf(&b, "%q %d %d %v\n", value.Name, value.Type, len(value.Data), err)
		}
	}
	return b.String()
}
