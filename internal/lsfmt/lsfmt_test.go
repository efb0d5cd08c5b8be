package lsfmt

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMode(t *testing.T) {
	for mode, want := range map[uint32]string{
		unix.S_IFREG | 0o644: "-rw-r--r--", unix.S_IFDIR | 0o1777: "drwxrwxrwt", unix.S_IFREG | 0o6755: "-rwsr-sr-x",
		unix.S_IFREG | 0o7000: "---S--S--T", unix.S_IFLNK | 0o777: "lrwxrwxrwx", 0: "?---------",
		unix.S_IFSOCK: "s---------", unix.S_IFIFO: "p---------", unix.S_IFBLK: "b---------", unix.S_IFCHR: "c---------",
	} {
		if got := string(AppendMode([]byte("x"), mode)); got != "x"+want {
			t.Errorf("%o: %s", mode, got)
		}
	}
}

func TestTypeLetter(t *testing.T) {
	if c := TypeLetter(unix.S_IFREG|0o644, 'f'); c != 'f' {
		t.Errorf("%c", c)
	}
	if c := TypeLetter(unix.S_IFDIR, 'f'); c != 'd' {
		t.Errorf("%c", c)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 1023: "1023", 1024: "1.0K", 1025: "1.1K", 10 << 10: "10K", 10<<10 + 1: "11K", 1 << 20: "1.0M", 1<<20 - 1: "1.0M",
		9<<30 + 1: "9.1G", 1536 << 20: "1.5G", 3 << 40: "3.0T", 1 << 63: "8.0E", 1<<64 - 1: "16E", 33 << 20: "33M", 97 << 10: "97K",
	} {
		if got := Size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestTime(t *testing.T) {
	now := time.Date(2024, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		t    time.Time
		want string
	}{
		{now.Add(-time.Second), "Jul  1 11:59"},
		{now.Add(time.Hour), "Jul  1  2024"}, // the future has its year
		{now.Add(-halfYear + time.Second), "Dec 31 21:05"},
		{now.Add(-halfYear), "Dec 31  2023"},
		{time.Unix(0, 0).UTC(), "Jan  1  1970"},
	} {
		if got := Time(test.t, now); got != test.want {
			t.Errorf("%s: %q, want %q", test.t, got, test.want)
		}
	}
}
