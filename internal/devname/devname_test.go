package devname

import "testing"

func TestDisk(t *testing.T) {
	for i, want := range map[int]string{0: "/dev/sda", 25: "/dev/sdz", 26: "/dev/sdaa", 254: "/dev/sdiu", 701: "/dev/sdzz", 702: "/dev/sdaaa"} {
		if got := Disk(i); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
		if got, part, ok := Index(want); got != i || part != "" || !ok {
			t.Errorf("%s: %d %q %v", want, got, part, ok)
		}
	}
}

func TestCanonical(t *testing.T) {
	for name, want := range map[string]string{
		"/dev/vda": "/dev/sda", "/dev/hdb2": "/dev/sdb2", "/dev/sdc15": "/dev/sdc15", "/dev/vdaa1": "/dev/sdaa1",
		"/dev/vd": "/dev/vd", "/dev/vd1": "/dev/vd1", "/dev/vdA1": "/dev/vdA1", "/dev/vda/x": "/dev/vda/x",
		"/dev/vg/lv": "/dev/vg/lv", "vda": "vda", "": "",
	} {
		if got := Canonical(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"", "/dev/sd", "/dev/sd1", "/dev/sdaaaa", "/dev/vg/lv", "/dev/sda1b"} {
		if i, part, ok := Index(name); ok {
			t.Errorf("%q: %d %q", name, i, part)
		}
	}
	if i, part, ok := Index("/dev/vdb7"); i != 1 || part != "7" || !ok {
		t.Error(i, part, ok)
	}
}
