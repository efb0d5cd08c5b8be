package ewf

import "testing"

func TestNames(t *testing.T) {
	for _, c := range []struct {
		have  int
		name  string
		want  int
		other string
	}{
		{1, "a.E01", 2, "a.E02"},
		{1, "a.E01", 99, "a.E99"},
		{1, "a.E01", 100, "a.EAA"},
		{1, "a.e01", 101, "a.eab"},
		{1, "a.s01", 125, "a.saz"},
		{1, "a.E01", 126, "a.EBA"},
		{1, "a.E01", 775, "a.EZZ"},
		{1, "a.E01", 776, "a.FAA"},
		{776, "a.faa", 1, "a.e01"},
		{1, "a.E01", 14971, "a.ZZZ"},
		{1, "a.E01", 14972, ""},
		{2, "a.E01", 1, ""},
		{1, "a", 2, ""},
		{1, "a.L01", 2, ""},
	} {
		got, ok := segmentName(c.name, c.have, c.want)
		if ok != (c.other != "") || ok && got != c.other {
			t.Errorf("%s: segment %d is %q, %v, and not %q", c.name, c.want, got, ok, c.other)
		}
	}
}
