package rpc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// recorded returns what a real library sent, by number of procedure.
func recorded(t testing.TB) map[uint32][]byte {
	data, err := os.ReadFile("../api/testdata/recorded.tsv")
	if err != nil {
		t.Fatal(err)
	}
	m := map[uint32][]byte{}
	for line := range strings.Lines(string(data)) {
		col := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(col) != 3 {
			continue
		}
		n, err := strconv.Atoi(col[0])
		if err != nil {
			t.Fatal(err)
		}
		if m[uint32(n)], err = hex.DecodeString(col[2]); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestRecorded decodes what a real library sent, and encodes it again.
func TestRecorded(t *testing.T) {
	n := 0
	for proc, message := range recorded(t) {
		p := Lookup(proc)
		a := newArgs[proc]()
		if err := Decode(a, message, 0); err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		e := xdr.NewEncoder(nil)
		Encoder(a)(e)
		if b, err := e.Result(); err != nil || !bytes.Equal(b, message) {
			t.Errorf("%s: %v, encoded as %x, recorded %x", p.Name, err, b, message)
		}
		n++
	}
	if n != 488 {
		t.Errorf("%d procedures", n)
	}
}

func TestOptions(t *testing.T) {
	a := &UmountArgs{Pathordevice: "/", Lazyunmount: Some(true)}
	if g := Given(a); g != 2 {
		t.Errorf("given %b", g)
	}
	e := xdr.NewEncoder(nil)
	Encoder(a)(e)
	b, err := e.Result()
	if err != nil {
		t.Fatal(err)
	}
	var back UmountArgs
	if err := Decode(&back, b, 2); err != nil || !reflect.DeepEqual(&back, a) {
		t.Errorf("%v, %+v", err, back)
	}
	if back.Force.Or(true) != true || back.Lazyunmount.Or(false) != true {
		t.Error("defaults")
	}
	if err := Decode(&back, b, 4); !errors.Is(err, ErrArgs) {
		t.Errorf("an option that does not exist: %v", err)
	}
	if err := Decode(&None{}, nil, 1); !errors.Is(err, ErrArgs) {
		t.Errorf("an option of none: %v", err)
	}
}

func TestNames(t *testing.T) {
	type name struct {
		Kind Kind
		Text string
	}
	for _, test := range []struct {
		args Args
		want []name
	}{
		{&None{}, nil},
		{&AugGetArgs{Augpath: "/files"}, nil}, // of Augeas, not of the guest
		{&IsFileArgs{Path: "/a", Followsymlinks: Some(true)}, []name{{Path, "/a"}}},
		{&MountArgs{Mountable: "/dev/sda", Mountpoint: "/"}, []name{{Mountable, "/dev/sda"}}},
		{&UmountArgs{Pathordevice: "/x"}, []name{{DevPath, "/x"}}},
		{&CopyDeviceToFileArgs{Src: "/dev/sda", Dest: "/f"}, []name{{Device, "/dev/sda"}, {Path, "/f"}}},
		{&BtrfsDeviceAddArgs{Devices: []string{"/dev/sda", "/dev/sdb"}, Fs: "/"}, []name{{Device, "/dev/sda"}, {Device, "/dev/sdb"}, {Path, "/"}}},
		{&BtrfsSubvolumeListArgs{Fs: "/v"}, []name{{MntPath, "/v"}}},
	} {
		var got []name
		for kind, v := range Names(test.args) {
			got = append(got, name{kind, *v})
			*v += "!"
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%T: %v, want %v", test.args, got, test.want)
		}
		for _, v := range Names(test.args) {
			if !strings.HasSuffix(*v, "!") {
				t.Errorf("%T: %s was not changed", test.args, *v)
			}
			break
		}
	}
}

func TestPairs(t *testing.T) {
	in := []Pair{{"b", "1"}, {"a", ""}}
	e := xdr.NewEncoder(nil)
	CodePairs(e, &in)
	b, err := e.Result()
	if err != nil || b[3] != 4 {
		t.Fatalf("%v, %x", err, b)
	}
	var out []Pair
	d := xdr.NewDecoder(b)
	if CodePairs(d, &out); d.End() != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("%v, %v", d.Err(), out)
	}
	b[3] = 3
	d = xdr.NewDecoder(b)
	if CodePairs(d, &out); !errors.Is(d.Err(), xdr.ErrValue) {
		t.Error(d.Err())
	}
}

// FuzzArgs decodes any bytes as the arguments of any procedure.
func FuzzArgs(f *testing.F) {
	for proc, message := range recorded(f) {
		if proc%40 == 0 {
			f.Add(proc, message)
		}
	}
	f.Fuzz(func(t *testing.T, proc uint32, message []byte) {
		make := newArgs[proc%600]
		if make == nil {
			return
		}
		a := make()
		if Decode(a, message, 0) != nil {
			return
		}
		e := xdr.NewEncoder(nil)
		Encoder(a)(e)
		if b, err := e.Result(); err != nil || !bytes.Equal(b, message) {
			t.Errorf("%v, decoded %x, encoded %x", err, message, b)
		}
	})
}
