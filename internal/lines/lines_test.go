package lines

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/unboot/unboot/internal/testimg"
)

// host returns what a program of the host prints of a text.
func host(t *testing.T, text, name string, args ...string) string {
	t.Helper()
	testimg.Need(t, name)
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

var texts = []string{"", "\n", "one", "one\ntwo\n", "a b\tc\n\n  d\x00e \xff\x01 f\nlast", strings.Repeat("line of some length\n", 9000)}

// TestHost compares with head(1), tail(1) and wc(1).
func TestHost(t *testing.T) {
	for i, text := range texts {
		for _, n := range []int{0, 1, 3, 20} {
			for _, test := range []struct {
				pick    func(add func([]byte) error) error
				command []string
			}{
				{func(add func([]byte) error) error { return Head(strings.NewReader(text), n, 1<<20, add) }, []string{"head", "-n", fmt.Sprint(n)}},
				{func(add func([]byte) error) error { return Head(strings.NewReader(text), -n-1, 1<<20, add) }, []string{"head", "-n", fmt.Sprint(-n - 1)}},
				{func(add func([]byte) error) error { return Tail(strings.NewReader(text), n, 1<<20, add) }, []string{"tail", "-n", fmt.Sprint(n)}},
				{func(add func([]byte) error) error { return Tail(strings.NewReader(text), -n-1, 1<<20, add) }, []string{"tail", "-n", fmt.Sprint("+", n+1)}},
			} {
				var got []byte
				err := test.pick(func(line []byte) error {
					got = append(append(got, line...), '\n')
					return nil
				})
				want := host(t, text, test.command[0], test.command[1:]...)
				if want != "" && !strings.HasSuffix(want, "\n") {
					want += "\n"
				}
				if err != nil || string(got) != want {
					t.Errorf("text %d, %q: %d bytes, %v, want %d", i, test.command, len(got), err, len(want))
				}
			}
		}
		c, err := Count(iotest.HalfReader(strings.NewReader(text)))
		want := strings.Fields(host(t, text, "wc", "-lwc"))
		if got := strings.Fields(fmt.Sprint(c.Lines, c.Words, c.Bytes)); err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("text %d: %+v, %v, wc says %s", i, c, err, want)
		}
	}
}

// TestBounds reads lines that are too long, and too many to keep.
func TestBounds(t *testing.T) {
	keep := func([]byte) error { return nil }
	if err := Each(strings.NewReader(strings.Repeat("x", 1<<18)), 1<<17, keep); err != bufio.ErrTooLong {
		t.Error(err)
	}
	many := bytes.Repeat([]byte("\n"), maxRing/64+1)
	if err := Tail(bytes.NewReader(many), len(many), 100, keep); err != ErrTooMany {
		t.Error(err)
	}
	if err := Head(bytes.NewReader(many), -len(many), 100, keep); err != ErrTooMany {
		t.Error(err)
	}
	stop := errors.New("stop")
	if err := Head(strings.NewReader("a\nb\n"), 5, 100, func([]byte) error { return stop }); err != stop {
		t.Error(err)
	}
	if _, err := Count(iotest.ErrReader(stop)); err != stop {
		t.Error(err)
	}
}
