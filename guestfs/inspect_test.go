package guestfs

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/inspect/hive"
)

// inspected answers what inspection would say, and passes other calls on.
type inspected struct {
	session
	says map[uint32]any
}

func (s inspected) Call(ctx context.Context, r *protocol.Request) error {
	v, ok := s.says[r.Proc]
	if !ok {
		return s.session.Call(ctx, r)
	}
	e := xdr.NewEncoder(nil)
	switch v := v.(type) {
	case string:
		e.String(&v)
	case int:
		e.Int(&v)
	}
	b, err := e.Result()
	if err == nil {
		r.Result(xdr.NewDecoder(b))
	}
	return err
}

// inspects has a handle believe what inspection would say.
func inspects(g *Guestfs, says map[uint32]any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.session = inspected{g.session, says}
}

func TestTree(t *testing.T) {
	g := launched(t, ext4(t), false)
	big := bytes.Repeat([]byte("0123456789"), 100_000)
	check(t, g.Mkdir_p("/a/b"))
	check(t, g.Write("/a/b/file", big[:1000]))
	check(t, g.Write("/a/small", []byte("x")))
	check(t, g.Touch("/empty"))
	if err := fstest.TestFS(tree{g}, "a/b/file", "a/small", "empty"); err != nil {
		t.Error(err)
	}
	// Read in several pieces, and not byte by byte as by TestFS.
	check(t, g.Write("/a/b/big", big))
	if b, err := fs.ReadFile(tree{g}, "a/b/big"); err != nil || !bytes.Equal(b, big) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	f, err := (tree{g}).Open("a/b/big")
	check(t, err)
	p := make([]byte, 20)
	if n, err := f.(io.ReaderAt).ReadAt(p, int64(len(big))-10); n != 10 || err != io.EOF || string(p[:n]) != "0123456789" {
		t.Error(n, err)
	}
	if _, err := fs.ReadFile(tree{g}, "../etc"); err == nil {
		t.Error("a path that is not one")
	}
}

func TestApplications(t *testing.T) {
	g := launched(t, ext4(t), false)
	check(t, g.Mkdir_p("/var/lib/dpkg"))
	check(t, g.Write("/var/lib/dpkg/status", []byte("Package: bash\nStatus: install ok installed\nArchitecture: amd64\n"+
		"Version: 1:5.2.15-2+b2\nMaintainer: Somebody\nDescription: a shell\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n")))
	inspects(g, map[uint32]any{rpc.ProcInspectGetType: "linux", rpc.ProcInspectGetPackageFormat: "deb"})
	l := must[*[]Application2](t)(g.Inspect_list_applications2("/dev/sda"))
	if len(*l) != 1 || (*l)[0].App2_name != "bash" || (*l)[0].App2_epoch != 1 || (*l)[0].App2_version != "5.2.15" || (*l)[0].App2_release != "2+b2" {
		t.Errorf("%+v", *l)
	}
	old := must[*[]Application](t)(g.Inspect_list_applications("/dev/sda"))
	if len(*old) != 1 || (*old)[0].App_name != "bash" || (*old)[0].App_version != "5.2.15" {
		t.Errorf("%+v", *old)
	}
}

func TestWindowsApplications(t *testing.T) {
	g := launched(t, ext4(t), false)
	h := hive.New()
	id, err := h.Root()
	check(t, err)
	for _, name := range []string{"Microsoft", "Windows", "CurrentVersion", "Uninstall", "{1}"} {
		id, err = h.AddChild(id, name)
		check(t, err)
	}
	for name, value := range map[string]string{"DisplayName": "An Editor", "DisplayVersion": "1.2"} {
		check(t, h.SetValue(id, hive.Value{Name: name, Type: hive.String, Data: hive.StringData(value)}))
	}
	file := filepath.Join(t.TempDir(), "software")
	f, err := os.Create(file)
	check(t, err)
	check(t, h.Commit(f))
	check(t, f.Close())
	check(t, g.Mkdir_p("/Windows/System32/config"))
	check(t, g.Upload(file, "/Windows/System32/config/SOFTWARE"))
	inspects(g, map[uint32]any{
		rpc.ProcInspectGetType: "windows", rpc.ProcInspectGetWindowsSoftwareHive: "/Windows/System32/config/SOFTWARE",
	})
	l := must[*[]Application2](t)(g.Inspect_list_applications2("/dev/sda"))
	if len(*l) != 1 || (*l)[0].App2_display_name != "An Editor" && (*l)[0].App2_name != "An Editor" || (*l)[0].App2_version != "1.2" {
		t.Errorf("%+v", *l)
	}
}

func TestIcon(t *testing.T) {
	g := launched(t, ext4(t), false)
	inspects(g, map[uint32]any{rpc.ProcInspectGetDistro: "debian"})
	if b := must[[]byte](t)(g.Inspect_get_icon("/dev/sda", nil)); b == nil || len(b) != 0 {
		t.Errorf("%q", b)
	}
	png := []byte("\x89PNG\r\n\x1a\npicture")
	check(t, g.Mkdir("/etc"))
	check(t, g.Write("/etc/favicon.png", []byte("no picture")))
	check(t, g.Mkdir_p("/usr/share/pixmaps"))
	check(t, g.Write("/usr/share/pixmaps/debian-logo.png", png))
	if b := must[[]byte](t)(g.Inspect_get_icon("/dev/sda", nil)); !bytes.Equal(b, png) {
		t.Errorf("%q", b)
	}
	check(t, g.Write("/etc/favicon.png", append(png, '2')))
	no := &OptargsInspect_get_icon{Favicon_is_set: true}
	if b := must[[]byte](t)(g.Inspect_get_icon("/dev/sda", no)); !bytes.Equal(b, png) {
		t.Errorf("%q", b)
	}
}

func TestOsinfo(t *testing.T) {
	for _, x := range []struct {
		want, kind, distro string
		major, minor       int
		variant, product   string
	}{
		{"debian12", "linux", "debian", 12, 5, "", ""},
		{"ubuntu22.04", "linux", "ubuntu", 22, 4, "", ""},
		{"fedora39", "linux", "fedora", 39, 0, "", ""},
		{"rhel9.2", "linux", "rhel", 9, 2, "", ""},
		{"centos7.0", "linux", "centos", 7, 9, "", ""},
		{"centos6.10", "linux", "centos", 6, 10, "", ""},
		{"archlinux", "linux", "archlinux", 0, 0, "", ""},
		{"sles15sp4", "linux", "sles", 15, 4, "", ""},
		{"freebsd13.1", "freebsd", "freebsd", 13, 1, "", ""},
		{"win10", "windows", "windows", 10, 0, "Client", "Windows 10 Pro"},
		{"win11", "windows", "windows", 10, 0, "Client", "Windows 11 Pro"},
		{"win2k19", "windows", "windows", 10, 0, "Server", "Windows Server 2019 Standard"},
		{"win2k3r2", "windows", "windows", 5, 2, "Server", "Windows Server 2003 R2"},
		{"win7", "windows", "windows", 6, 1, "Client", ""},
		{"unknown", "linux", "slackware", 15, 0, "", ""},
		{"unknown", "hurd", "hurd", 0, 0, "", ""},
	} {
		if got := osinfo(x.kind, x.distro, x.major, x.minor, x.variant, x.product); got != x.want {
			t.Errorf("%+v: %s", x, got)
		}
	}
}
