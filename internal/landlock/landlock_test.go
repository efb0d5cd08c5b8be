package landlock

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// confined runs a program on a thread that is confined.
func confined(r Rules, name string, args ...string) (out string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err = Restrict(r); err != nil {
			return
		}
		var b []byte
		b, err = exec.Command(name, args...).CombinedOutput()
		out = string(b)
	}()
	<-done
	return out, err
}

func TestRestrict(t *testing.T) {
	system := []string{"/usr", "/bin", "/lib", "/lib64", "/etc", "/does/not/exist"}
	outside, inside := t.TempDir(), t.TempDir()
	for _, f := range []string{outside + "/file", inside + "/file"} {
		if err := os.WriteFile(f, []byte("content\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rules := Rules{Read: system, Write: []string{inside, "/dev/null"}}
	for _, c := range []struct{ script, want string }{
		{"cat " + inside + "/file && echo more >" + inside + "/new && mkdir " + inside + "/d && mv " + inside + "/new " + inside + "/d", "content\n"},
		{"echo x >/dev/null && echo ok", "ok\n"},
		{"cat " + outside + "/file", "denied"},
		{"echo x >" + outside + "/new", "denied"},
		{"echo x >>/etc/hostname", "denied"},
		{"ls " + outside, "denied"},
		{"ln " + outside + "/file " + inside + "/link", "link"},
	} {
		out, err := confined(rules, "sh", "-c", c.script)
		if errors.Is(err, ErrUnsupported) {
			t.Skip(err)
		}
		denied := c.want == "denied" || c.want == "link"
		if denied != (err != nil) || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s", c.script, err, out)
		}
	}
	if _, err := os.ReadFile(outside + "/file"); err != nil {
		t.Errorf("the program itself is confined: %v", err)
	}
}

// TCP is forbidden where the host can do that, or only to accept is.
func TestConnect(t *testing.T) {
	if v, err := version(); err != nil || v < 4 {
		t.Skip("the host cannot forbid TCP")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	rules := Rules{Read: []string{"/usr", "/bin", "/lib", "/lib64", "/etc", "/dev/null"}}
	connect := "exec 3<>/dev/tcp/127.0.0.1/" + l.Addr().String()[len("127.0.0.1:"):]
	if out, err := confined(rules, "bash", "-c", connect); err == nil {
		t.Errorf("it connects\n%s", out)
	}
	rules.Connect = true
	if out, err := confined(rules, "bash", "-c", connect); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	listen := `use Socket; socket(S, PF_INET, SOCK_STREAM, 0) or die; bind(S, sockaddr_in(0, INADDR_LOOPBACK)) or die $!`
	if out, err := confined(rules, "/usr/bin/perl", "-e", listen); err == nil || !strings.Contains(out, "Permission") {
		t.Errorf("it listens: %v\n%s", err, out)
	}
}

func TestAll(t *testing.T) {
	for version, want := range map[int]unix.LandlockRulesetAttr{
		1: {Handled_access_fs: 0x1fff},
		2: {Handled_access_fs: 0x3fff},
		3: {Handled_access_fs: 0x7fff},
		4: {Handled_access_fs: 0x7fff, Handled_access_net: 3},
		5: {Handled_access_fs: 0xffff, Handled_access_net: 3},
		6: {Handled_access_fs: 0xffff, Handled_access_net: 3, Scoped: 3},
		9: {Handled_access_fs: 0xffff, Handled_access_net: 3, Scoped: 3},
	} {
		if got := all(version); got != want {
			t.Errorf("version %d: %+v, not %+v", version, got, want)
		}
	}
}
