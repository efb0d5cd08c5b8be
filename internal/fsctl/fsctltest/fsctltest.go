// Package fsctltest compares the bytes of ioctls with the structures in the C headers of
// the host.
package fsctltest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// A Call is an ioctl that a [View] was asked for.
type Call struct {
	FD    int
	Req   uint
	Arg   []byte // as it was passed; nil for IoctlInt
	Value int    // of IoctlInt
}

// A View records calls, and answers none with more than Answer does. It implements
// fsctl.View.
type View struct {
	Calls  []Call
	Answer func(c *Call, arg []byte) error // may change arg; may be nil
}

// Ioctl implements fsctl.View.
func (v *View) Ioctl(fd int, req uint, arg []byte) (int, error) {
	return v.call(Call{FD: fd, Req: req, Arg: append([]byte{}, arg...)}, arg)
}

// IoctlInt implements fsctl.View.
func (v *View) IoctlInt(fd int, req uint, value int) (int, error) {
	return v.call(Call{FD: fd, Req: req, Value: value}, nil)
}

func (v *View) call(c Call, arg []byte) (int, error) {
	v.Calls = append(v.Calls, c)
	if v.Answer != nil {
		return 0, v.Answer(&c, arg)
	}
	return 0, nil
}

// Last returns the last call.
func (v *View) Last() Call { return v.Calls[len(v.Calls)-1] }

// C returns the values of C expressions of integers by what they are, after some headers
// are included.
func C(t *testing.T, headers []string, expressions ...string) map[string]uint64 {
	t.Helper()
	testimg.Need(t, "cc")
	var b strings.Builder
	b.WriteString("#include <stdio.h>\n#include <stddef.h>\n#include <sys/ioctl.h>\n")
	for _, h := range headers {
		fmt.Fprintf(&b, "#include <%s>\n", h)
	}
	b.WriteString("int main(void) {\n")
	for _, e := range expressions {
		fmt.Fprintf(&b, "printf(\"%%llu\\n\", (unsigned long long)(%s));\n", e)
	}
	b.WriteString("return 0; }\n")
	dir := t.TempDir()
	source, program := filepath.Join(dir, "values.c"), filepath.Join(dir, "values")
	if err := os.WriteFile(source, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "cc", "-o", program, source)
	lines := strings.Split(strings.TrimSpace(testimg.MustRun(t, program)), "\n")
	values := map[string]uint64{}
	for i, e := range expressions {
		v, err := strconv.ParseUint(lines[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		values[e] = v
	}
	return values
}
