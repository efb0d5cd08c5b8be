package unboot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/netif"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/usernet"
)

// networkGuest is guest with a network that reaches the host's loopback address, and skips the
// test where the kernel has none.
func networkGuest(t *testing.T, allow ...string) *unboot.FS {
	t.Helper()
	n, err := usernet.New(usernet.Config{Allow: allow})
	rig.Check(t, "network", err)
	image := testimg.Writable(t, testimg.Busybox(t))
	f, err := open(t, image, unboot.Writable(), unboot.WithNetwork(n)).MountAuto()
	rig.Check(t, "mount", err)
	if err := f.Command("/bin/true").Run(); errors.Is(err, netif.ErrUnsupported) {
		t.Skip(err)
	}
	needPrograms(t, f)
	return f
}

// port is the number of a server's port.
func port(t *testing.T, srv *httptest.Server) string {
	t.Helper()
	return strconv.Itoa(int(netip.MustParseAddrPort(srv.Listener.Addr().String()).Port()))
}

func TestNetwork(t *testing.T) {
	data := testimg.Pattern(20<<20+3, 9)
	var got bytes.Buffer
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			got.Reset()
			io.Copy(&got, r.Body)
			return
		}
		w.Write(data)
	}))
	defer srv.Close()
	f := networkGuest(t, "host:"+port(t, srv))
	url := "http://10.0.2.2:" + port(t, srv) + "/"
	t.Run("download", func(t *testing.T) {
		out, err := f.Command("busybox", "wget", "-q", "-O", "-", url).Output()
		if err != nil || !bytes.Equal(out, data) {
			t.Errorf("%d of %d bytes, %v", len(out), len(data), err)
		}
	})
	t.Run("upload", func(t *testing.T) {
		rig.Check(t, "write", f.WriteFile("data", data[:3<<20], 0o644))
		output(t, f, "(printf 'POST / HTTP/1.0\\r\\nContent-Length: %d\\r\\n\\r\\n' $1; cat /data) | nc 10.0.2.2 $2", fmt.Sprint(3<<20), port(t, srv))
		if !bytes.Equal(got.Bytes(), data[:3<<20]) {
			t.Errorf("%d of %d bytes", got.Len(), 3<<20)
		}
	})
	t.Run("at the same time", func(t *testing.T) {
		out := output(t, f, `for i in 1 2 3 4 5 6 7 8; do busybox wget -q -O - "$1" | md5sum & done; wait`, url)
		if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 8 || strings.Count(out, lines[0]) != 8 {
			t.Error(out)
		}
	})
	t.Run("refused", func(t *testing.T) {
		for _, to := range []string{"10.0.2.2:22", "169.254.169.254", "192.168.77.77"} {
			var stderr strings.Builder
			c := f.Command("busybox", "wget", "-q", "-O", "-", "http://"+to+"/")
			c.Stderr = &stderr
			if err := c.Run(); err == nil || !strings.Contains(stderr.String(), "refused") {
				t.Errorf("%s: %v: %s", to, err, &stderr)
			}
		}
	})
	t.Run("loopback", func(t *testing.T) {
		// Its standard input does not end, or the other end may hear of that before it has sent.
		if out := output(t, f, "mkfifo /tmp/open; nc -l -p 7777 <>/tmp/open >/tmp/got & for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; echo hello | nc 127.0.0.1 7777 && break; done; wait; cat /tmp/got"); out != "hello\n" {
			t.Errorf("%q", out)
		}
	})
	t.Run("ping", func(t *testing.T) {
		output(t, f, "ping -c 1 -W 10 10.0.2.2")
	})
}

// The guest's resolv.conf is another one only for the program.
func TestNetworkResolvConf(t *testing.T) {
	f := networkGuest(t)
	for name, set := range map[string]func(){
		"file":    func() { rig.Check(t, "write", f.WriteFile("etc/resolv.conf", []byte("nameserver 192.0.2.1\n"), 0o644)) },
		"nothing": func() {},
		"resolved": func() {
			rig.Check(t, "symlink", f.Symlink("../run/systemd/resolve/stub-resolv.conf", "etc/resolv.conf"))
		},
		"by var":    func() { rig.Check(t, "symlink", f.Symlink("/var/run/x/y", "etc/resolv.conf")) },
		"relative":  func() { rig.Check(t, "symlink", f.Symlink("other.conf", "etc/resolv.conf")) },
		"out of it": func() { rig.Check(t, "symlink", f.Symlink("../../../../other.conf", "etc/resolv.conf")) },
	} {
		t.Run(name, func(t *testing.T) {
			f.Remove("etc/resolv.conf")
			f.RemoveAll("var/run")
			rig.Check(t, "mkdir", f.MkdirAll("var", 0o755))
			rig.Check(t, "symlink", f.Symlink("/run", "var/run"))
			set()
			link, _ := f.Readlink("etc/resolv.conf")
			before, _ := f.ReadFile("etc/resolv.conf")
			if out := output(t, f, "cat /etc/resolv.conf; echo changed >/etc/resolv.conf; cat /etc/resolv.conf"); !strings.HasPrefix(out, "nameserver 10.0.2.3\n") || !strings.HasSuffix(out, "changed\n") {
				t.Errorf("%q", out)
			}
			if out := output(t, f, "cat /etc/resolv.conf"); !strings.HasPrefix(out, "nameserver 10.0.2.3\n") {
				t.Errorf("the second time: %q", out)
			}
			after, err := f.ReadFile("etc/resolv.conf")
			if l, _ := f.Readlink("etc/resolv.conf"); l != link || !bytes.Equal(after, before) || before == nil && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("left is %q -> %q, %v", after, l, err)
			}
			for _, stray := range []string{"etc/other.conf", "other.conf", "run/systemd", "run/x"} {
				if _, err := f.Lstat(stray); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("left is %s, %v", stray, err)
				}
			}
		})
	}
	t.Run("loop", func(t *testing.T) {
		f.Remove("etc/resolv.conf")
		rig.Check(t, "symlink", f.Symlink("resolv.conf", "etc/resolv.conf"))
		if err := f.Command("true").Run(); err == nil {
			t.Error("no error")
		}
	})
	t.Run("directory", func(t *testing.T) {
		f.Remove("etc/resolv.conf")
		rig.Check(t, "mkdir", f.Mkdir("etc/resolv.conf", 0o755))
		output(t, f, "ls /etc/resolv.conf")
	})
}

// Without a network there is none, and with a clock that stands still there can be none.
// A tool has the network's name servers, and the host's certificates.
func TestNetworkTool(t *testing.T) {
	testimg.Need(t, "bash")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "served") }))
	defer srv.Close()
	n, err := usernet.New(usernet.Config{Allow: []string{"host:" + port(t, srv)}})
	rig.Check(t, "network", err)
	img := open(t, testimg.Busybox(t), unboot.WithNetwork(n))
	needPrograms(t, must(img.MountAuto()))
	out, err := img.Tool("bash", "-c", `exec 3<>/dev/tcp/10.0.2.2/$0 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && tail -n 1 <&3; echo
		cat /etc/resolv.conf; getent hosts localhost`, port(t, srv)).CombinedOutput()
	if text := string(out); err != nil || !strings.HasPrefix(text, "served\n"+string(n.ResolvConf())) || !strings.Contains(text, "localhost") {
		t.Errorf("%v: %s", err, text)
	}
	const certificates = "/etc/ssl/certs/ca-certificates.crt"
	if want, err := os.ReadFile(certificates); err == nil {
		if out, err := img.Tool("cat", certificates).Output(); err != nil || !bytes.Equal(out, want) {
			t.Errorf("%s: %d bytes of %d, %v", certificates, len(out), len(want), err)
		}
	}
}

func TestNetworkOff(t *testing.T) {
	f, _ := guest(t)
	if out := output(t, f, "ls /sys/class/net"); strings.Contains(out, "eth0") {
		t.Errorf("there is %q", out)
	}
	if err := f.Command("busybox", "wget", "-q", "-O", "-", "http://10.0.2.2/").Run(); err == nil {
		t.Error("it reaches something")
	}
	n, err := usernet.New(usernet.Config{})
	rig.Check(t, "network", err)
	g, err := open(t, testimg.Writable(t, testimg.Busybox(t)), unboot.Writable(), unboot.WithNetwork(n), unboot.Clock(time.Unix(1e9, 0))).MountAuto()
	rig.Check(t, "mount", err)
	if err := g.Command("true").Run(); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Error(err)
	}
}

// An image that is closed, or whose context ends, ends its network while it is in use.
func TestNetworkEnds(t *testing.T) {
	block := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				block <- struct{}{}
				return
			}
		}
	}))
	defer srv.Close()
	for _, how := range []string{"close", "context"} {
		n, err := usernet.New(usernet.Config{Allow: []string{"host"}})
		rig.Check(t, "network", err)
		ctx, cancel := context.WithCancel(context.Background())
		img, err := unboot.Open(ctx, testimg.Writable(t, testimg.Busybox(t)), unboot.Writable(), unboot.WithNetwork(n))
		rig.Check(t, "open", err)
		f, err := img.MountAuto()
		rig.Check(t, "mount", err)
		needPrograms(t, f)
		c := f.Command("busybox", "wget", "-q", "-O", "/dev/null", "http://10.0.2.2:"+port(t, srv)+"/")
		rig.Check(t, "start", c.Start())
		time.Sleep(200 * time.Millisecond)
		if how == "context" {
			cancel()
		}
		img.Close()
		<-block // the connection has ended
		c.Wait()
		cancel()
	}
}

// TestNetworkDeadline has programs wait for servers that do not answer, for as long as they have
// been told to.
func TestNetworkDeadline(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	rig.Check(t, "listen", err)
	defer silent.Close()
	full := fullServer(t)
	ports := map[string]string{"silent": fmt.Sprint(silent.Addr().(*net.TCPAddr).Port), "full": fmt.Sprint(full)}
	f := networkGuest(t, "host:"+ports["silent"], "host:"+ports["full"])
	for _, c := range []struct{ server, script, want string }{
		{"full", "nc -w 1 10.0.2.2 $1 </dev/null; echo $?", "1"},                              // alarm(2) in connect(2)
		{"full", "timeout 1 busybox wget -q -O - http://10.0.2.2:$1/; echo $?", "143"},        // a signal in connect(2)
		{"silent", "timeout 1 busybox wget -q -O - http://10.0.2.2:$1/; echo $?", "143"},      // in read(2)
		{"silent", "timeout 1 sh -c 'yes | nc 10.0.2.2 $1' sh $1 >/dev/null; echo $?", "143"}, // in write(2)
	} {
		t.Run(c.script, func(t *testing.T) {
			start := time.Now()
			out, err := f.Command("/bin/sh", "-c", c.script, "sh", ports[c.server]).Output()
			if took := time.Since(start); err != nil || strings.TrimSpace(string(out)) != c.want || took < 900*time.Millisecond || took > 20*time.Second {
				t.Errorf("%q after %v, %v", out, took, err)
			}
		})
	}
}

// fullServer returns the port of a server whose queue is full: the host's kernel drops what would
// begin another connection.
func fullServer(t *testing.T) int {
	t.Helper()
	socket := func(flags int) int {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
		rig.Check(t, "socket", err)
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	server := socket(0)
	rig.Check(t, "bind", unix.Bind(server, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	rig.Check(t, "listen", unix.Listen(server, 0))
	name, err := unix.Getsockname(server)
	rig.Check(t, "getsockname", err)
	for range 3 {
		unix.Connect(socket(unix.SOCK_NONBLOCK), name)
	}
	return name.(*unix.SockaddrInet4).Port
}
