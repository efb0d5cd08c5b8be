package guestfs

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/unboot/unboot/guestfs/hv"
	"github.com/unboot/unboot/guestfs/internal/appliance"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/internal/testimg"
)

// direct makes a handle start a program instead of qemu: the tests' own, as unboot-hv.
func direct(t *testing.T, g *Guestfs) {
	t.Helper()
	program, err := os.Executable()
	check(t, err)
	dir := t.TempDir()
	check(t, os.Symlink(program, filepath.Join(dir, hv.Name)))
	for _, name := range []string{"vmlinuz." + appliance.CPU(), "initramfs." + appliance.CPU() + ".img"} {
		check(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	check(t, g.Set_backend("direct"))
	check(t, g.Set_hv(filepath.Join(dir, hv.Name)))
	check(t, g.Set_path(&dir))
}

// TestDirect has the same session as with the engine in the program.
func TestDirect(t *testing.T) {
	needKernel(t)
	image := ext4(t)
	readonly := testimg.FS(t, "ext4", testimg.Options{Tree: true})
	g := create(t)
	direct(t, g)
	check(t, g.Add_drive(image, &OptargsAdd_drive{Label_is_set: true, Label: "first", Format_is_set: true, Format: "raw"}))
	check(t, g.Add_drive_ro(readonly))
	check(t, g.Set_smp(2))
	check(t, g.Launch())
	pid := must[int](t)(g.Get_pid())
	if err := syscall.Kill(pid, 0); err != nil {
		t.Error(err)
	}
	check(t, g.Mount("/dev/disk/guestfs/first", "/"))
	check(t, g.Write("/file", []byte("contents")))
	check(t, g.Mkdir("/b"))
	check(t, g.Mount("/dev/sdb", "/b"))
	check(t, g.Touch("/b/new"))
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	g = launched(t, image, true)
	if s := must[string](t)(g.Cat("/file")); s != "contents" {
		t.Errorf("%q", s)
	}
}

// TestDirectDies has the process die while the handle is in use.
func TestDirectDies(t *testing.T) {
	needKernel(t)
	g := create(t)
	direct(t, g)
	quit := make(chan bool, 1)
	must[int](t)(g.Set_event_callback(func(*Guestfs, uint64, int, string, []uint64) { quit <- true }, EVENT_SUBPROCESS_QUIT))
	check(t, g.Add_drive(blank(t, 1<<20), raw(false)))
	check(t, g.Launch())
	check(t, syscall.Kill(must[int](t)(g.Get_pid()), syscall.SIGKILL))
	select {
	case <-quit:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody has noticed")
	}
	if err := g.Ping_daemon(); err == nil {
		t.Error("ping")
	}
	if ok := must[bool](t)(g.Is_config()); !ok {
		t.Error("not as before launch")
	}
}

func TestDirectErrors(t *testing.T) {
	g := create(t)
	check(t, g.Set_backend("direct"))
	if err := g.Launch(); err == nil || !strings.Contains(err.Error(), "add drives") {
		t.Errorf("no drives: %v", err)
	}
	image := blank(t, 1<<20)
	check(t, g.Add_drive(image, raw(false)))
	nowhere := t.TempDir()
	check(t, g.Set_path(&nowhere))
	if err := g.Launch(); !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), nowhere) {
		t.Errorf("no appliance: %v", err)
	}
	direct(t, g)
	check(t, g.Set_hv("/none/there"))
	before := sockets(t)
	if err := g.Launch(); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("no program: %v", err)
	}
	script := filepath.Join(t.TempDir(), "hv")
	check(t, os.WriteFile(script, []byte("#!/bin/sh\necho out of order >&2\nexit 3\n"), 0o700))
	check(t, g.Set_hv(script))
	err := g.Launch()
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("a program that ends: %v", err)
	}
	if after := sockets(t); !slices.Equal(after, before) {
		t.Errorf("sockets before %q, after %q", before, after)
	}
	// The handle is as good as before.
	check(t, g.Set_backend("unboot"))
	check(t, g.Launch())
}

// sockets returns the sockets of launches that go on, or have left them there.
func sockets(t *testing.T) []string {
	t.Helper()
	l, err := filepath.Glob(filepath.Join("/tmp", "libguestfs*", "guestfsd.sock"))
	check(t, err)
	return l
}

func TestUnixBackend(t *testing.T) {
	g := create(t)
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	check(t, err)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		protocol.Launched(conn)
		s := protocol.Server{Handler: fake(func(context.Context, *protocol.Call) error { return nil })}
		s.Serve(context.Background(), conn)
	}()
	check(t, g.Set_backend("unix:"+socket))
	check(t, g.Launch())
	check(t, g.Ping_daemon())
	if _, err := g.Get_pid(); err == nil {
		t.Error("a process of ours")
	}
}

// TestCommandLine has what we pass to qemu understood by who reads what libguestfs passes.
func TestCommandLine(t *testing.T) {
	m := machine{
		appliance: appliance.Files{Kernel: "/k", Initrd: "/i"}, socket: "/tmp/a,b/s", memsize: 1280, smp: 3, verbose: true,
		network: true, append: "mine", identifier: "id", parameters: [][2]string{{"-foo", "bar"}, {"-baz"}},
		drives: []drive{
			{path: "/we,ird.img", label: "boot", blocksize: 4096, discard: "enable", copyonread: true},
			{path: "/ro.img", readonly: true, format: "raw"},
			{path: "/exp", protocol: "nbd", servers: []string{"tcp:h:10809"}},
			{path: "exp", protocol: "nbd", servers: []string{"unix:/sock"}},
			{path: "/p/d.img", protocol: "https", servers: []string{"h"}, username: "u"},
			{path: "pool/disk", protocol: "rbd", servers: []string{"h:1", "i:2"}, username: "u"},
			{path: "iqn/0", protocol: "iscsi", servers: []string{"h"}, username: "u", secret: "p"},
		},
	}
	args, err := m.args()
	check(t, err)
	vm, err := hv.Parse(args)
	check(t, err)
	if vm.Socket != m.socket || vm.SMP != 3 || !vm.Verbose || !vm.Network || !slices.Contains(vm.Append, "mine") ||
		!slices.Contains(vm.Append, "guestfs_identifier=id") || len(vm.Drives) != len(m.drives) {
		t.Fatalf("%+v", vm)
	}
	d := vm.Drives[0]
	if d.Path != "/we,ird.img" || d.Label != "boot" || d.LogicalBlock != 4096 || !d.Discard || !d.CopyOnRead || d.Format != "" || d.ReadOnly {
		t.Errorf("%+v", d)
	}
	if d := vm.Drives[1]; !d.ReadOnly || d.Format != "raw" || !d.Unsafe {
		t.Errorf("%+v", d)
	}
	for i, want := range []string{
		2: "nbd:h:10809:exportname=/exp", 3: "nbd:unix:/sock:exportname=exp", 4: "https://u@h/p/d.img",
		5: `rbd:pool/disk:mon_host=h\:1\;i\:2:id=u:auth_supported=none`, 6: "iscsi://u%p@h/iqn/0",
	} {
		if want != "" && vm.Drives[i].URL != want {
			t.Errorf("%s, want %s", vm.Drives[i].URL, want)
		}
	}
	if !slices.Equal(args[len(args)-3:], []string{"-foo", "bar", "-baz"}) {
		t.Errorf("%q", args[len(args)-3:])
	}
}

// TestAppliance boots qemu, which takes half a minute without KVM: only if
// UNBOOT_TEST_QEMU is set.
func TestAppliance(t *testing.T) {
	if os.Getenv("UNBOOT_TEST_QEMU") == "" {
		t.Skip("UNBOOT_TEST_QEMU is not set")
	}
	g := create(t)
	image := ext4(t)
	check(t, g.Set_backend("direct"))
	check(t, g.Set_backend_setting("force_tcg", "1"))
	check(t, g.Add_drive(image, raw(false)))
	check(t, g.Launch())
	check(t, g.Mount("/dev/sda", "/"))
	check(t, g.Write("/from-qemu", []byte("hello\n")))
	if l := must[[]string](t)(g.Read_lines("/from-qemu")); !slices.Equal(l, []string{"hello"}) {
		t.Errorf("%q", l)
	}
	if l := must[[]string](t)(g.Find("/")); !slices.Contains(l, "from-qemu") {
		t.Errorf("%q", l)
	}
	check(t, g.Mkdir("/d"))
	if l := must[[]string](t)(g.Find("/d")); len(l) != 0 {
		t.Errorf("%q", l)
	}
	if s := must[string](t)(g.Mountable_subvolume("btrfsvol:/dev/sda/vol")); s != "vol" {
		t.Error(s)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	testimg.Fsck(t, "ext4", image)
}
