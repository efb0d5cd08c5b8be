package tcrypt

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
)

// systemHeader says that a range of the disk is encrypted by a cascade of a mode.
func systemHeader(t *testing.T, of mode, fields map[int]uint64) *header {
	t.Helper()
	for _, c := range cascades {
		if c.mode == of && len(c.ciphers) == 2 {
			h := parse(handmade(fields))
			h.cascade, h.Mode, h.System, h.keys = c, string(of), true, bytes.Repeat([]byte{7}, keysMax)
			return h
		}
	}
	t.Fatalf("no cascade of %s", of)
	return nil
}

// Of the partitions of a disk, those that lie wholly in the range are mapped, by the numbers
// that their sectors have on the disk; and of a partition that alone.
func TestSystem(t *testing.T) {
	const mib = 1 << 20
	part := func(n int, start, size int64) *volume.Member {
		return &volume.Member{Name: fmt.Sprint("/dev/sda", n), Size: size, PartNumber: n, PartStart: start}
	}
	disk := &volume.Member{Name: "/dev/sda", Size: 100 * mib, Disk: true}
	boot, first, second, straddles := part(1, mib, 9*mib), part(2, 10*mib, 20*mib), part(3, 30*mib, 10*mib+511), part(4, 45*mib, 10*mib)
	plain := part(5, 42*mib, mib)
	plain.Info = &probe.Info{Type: "ext4"}
	others := []*volume.Member{boot, first, second, straddles, plain, {Name: "/dev/sdb1", PartNumber: 1, PartStart: 11 * mib, Size: mib}}
	fields := map[int]uint64{44: 10 * mib, 36: 40 * mib, 52: 40 * mib}
	for _, c := range []struct {
		name   string
		m      *volume.Member
		fields map[int]uint64
		of     mode
		want   string
		err    string
	}{
		{name: "disk", m: disk, want: "tcrypt-sda2_1 20480 0, tcrypt-sda2 20480 0, tcrypt-sda3_1 61440 0, tcrypt-sda3 61440 0"},
		{name: "partition", m: second, want: "tcrypt-sda3_1 61440 0, tcrypt-sda3 61440 0"},
		{name: "before it", m: boot, err: "elsewhere, at byte 10485760"},
		{name: "over its end", m: straddles, err: "elsewhere"},
		{name: "none on the disk", m: disk, fields: map[int]uint64{44: 90 * mib, 36: mib}},
		{name: "in progress", m: disk, fields: map[int]uint64{44: 10 * mib, 36: 40 * mib, 52: 512}, err: "only 512 of the 41943040 bytes"},
		{name: "overflow", m: first, fields: map[int]uint64{44: 1<<64 - 512, 36: 1<<64 - 512}, err: "elsewhere"},
		{name: "huge", m: first, fields: map[int]uint64{44: 512, 36: 1<<64 - 512}, want: "tcrypt-sda2_1 20480 0, tcrypt-sda2 20480 0"},
		{name: "mode", m: disk, of: lrw, err: "no encrypted system has"},
	} {
		if c.fields == nil {
			c.fields = fields
		}
		if c.of == "" {
			c.of = xts
		}
		h := systemHeader(t, c.of, c.fields)
		on := diskOf(c.m, append([]*volume.Member{disk}, others...))
		if on != disk {
			t.Fatalf("%s: the disk is %s", c.name, on.Name)
		}
		list, err := h.system(c.m, disk, others)
		var got []string
		for _, v := range list {
			var iv, offset int64
			if _, err := fmt.Sscanf(v.Table[0].Params[strings.Index(v.Table[0].Params, "$"):], "$ %d @ %d", &iv, &offset); err != nil {
				t.Fatal(err, v.Table[0].Params)
			}
			got = append(got, fmt.Sprint(v.Name, " ", iv, " ", offset))
			if v.Size%volume.SectorSize != 0 || v.Table[0].Length*volume.SectorSize != v.Size || bytes.Equal(v.Table[0].Key, make([]byte, len(v.Table[0].Key))) {
				t.Errorf("%s: %s has %d bytes", c.name, v.Name, v.Size)
			}
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: %s, and not %s", c.name, text, c.want)
		}
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v does not say %q", c.name, err, c.err)
		}
		if wiped := bytes.Equal(h.keys, make([]byte, keysMax)); wiped != (c.name != "none on the disk") {
			t.Errorf("%s: the keys are wiped: %t", c.name, wiped)
		}
	}
	for name, isOne := range map[string]bool{"/dev/sda1": true, "/dev/sda11": false, "/dev/sdaa1": false, "/dev/sda": false, "/dev/sdap1": true, "/dev/sda/1": false} {
		if isPartition(&volume.Member{Name: name, PartNumber: 1}, disk) != isOne {
			t.Error(name)
		}
	}
	if diskOf(first, others) != first {
		t.Error("a partition without its disk is its own")
	}
}

// TestParams: values that are wrong are for no volume, so that no password is tried with others.
func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		"veracrypt-pim=0":                             "{}",
		"veracrypt-pim=485":                           "{pim 485}",
		"veracrypt-pim=2147468":                       "{pim 2147468}",
		"veracrypt-pim=2147469":                       "no",
		"veracrypt-pim=-1":                            "no",
		"veracrypt-pim=x":                             "no",
		"veracrypt-pim=9223372036854775808":           "no",
		"tcrypt-hidden=,tcrypt-backup=":               "{hidden backup}",
		"tcrypt-hidden=no":                            "{}",
		"tcrypt-system=,hash=sha512":                  "{system sha512}",
		"tcrypt-veracrypt=no":                         "{TrueCrypt}",
		"tcrypt-veracrypt=yes":                        "{}",
		"tcrypt-keyfile=":                             "{}",
		"header=x":                                    "no",
		"plain=,cipher=aes,size=256,hash=whirlpool":   "no",
		"tcrypt=,tcrypt-hidden=,hash=ripemd160,pim=1": "{hidden ripemd160}",
	} {
		k := keyOf("x")
		for p := range strings.SplitSeq(params, ",") {
			name, value, _ := strings.Cut(p, "=")
			k.Params[name] = value
		}
		o, mine := optionsOf(k)
		var list []string
		if o.hidden {
			list = append(list, "hidden")
		}
		if o.system {
			list = append(list, "system")
		}
		if o.backup {
			list = append(list, "backup")
		}
		if o.trueCrypt {
			list = append(list, "TrueCrypt")
		}
		if o.pim != 0 {
			list = append(list, fmt.Sprint("pim ", o.pim))
		}
		if o.hash != "" {
			list = append(list, o.hash)
		}
		got := "{" + strings.Join(list, " ") + "}"
		if !mine {
			got = "no"
		}
		if got != want {
			t.Errorf("%s: %s, and not %s", params, got, want)
		}
	}
}
