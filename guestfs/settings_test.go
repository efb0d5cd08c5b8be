package guestfs

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestSettings(t *testing.T) {
	g := create(t)
	for name, f := range map[string]struct {
		get func() (bool, error)
		set func(bool) error
		def bool
	}{
		"autosync": {g.Get_autosync, g.Set_autosync, true},
		"trace":    {g.Get_trace, func(v bool) error { return nil }, false},
		"verbose":  {g.Get_verbose, g.Set_verbose, false},
		"network":  {g.Get_network, g.Set_network, false},
		"pgroup":   {g.Get_pgroup, g.Set_pgroup, false},
		"recovery": {g.Get_recovery_proc, g.Set_recovery_proc, true},
		"direct":   {g.Get_direct, g.Set_direct, false},
		"selinux":  {g.Get_selinux, g.Set_selinux, false},
	} {
		if v := must[bool](t)(f.get()); v != f.def {
			t.Errorf("%s is %t", name, v)
		}
		check(t, f.set(!f.def))
		if v := must[bool](t)(f.get()); v == f.def && name != "trace" {
			t.Errorf("%s stays %t", name, v)
		}
		check(t, f.set(f.def))
	}
	if s := must[string](t)(g.Get_backend()); s != "unboot" {
		t.Error(s)
	}
	check(t, g.Set_backend("appliance"))
	if s := must[string](t)(g.Get_backend()); s != "direct" {
		t.Error(s)
	}
	if s := must[string](t)(g.Get_attach_method()); s != "appliance" {
		t.Error(s)
	}
	for _, bad := range []string{"", "qemu", "libvirt", "libvirt:qemu:///session", "unix:relative"} {
		if err := g.Set_backend(bad); err == nil {
			t.Errorf("backend %q", bad)
		}
	}
	if s := must[*string](t)(g.Get_append()); s != nil {
		t.Error(*s)
	}
	text := "quiet splash"
	check(t, g.Set_append(&text))
	if s := must[*string](t)(g.Get_append()); s == nil || *s != text {
		t.Error(s)
	}
	if n := must[int](t)(g.Get_memsize()); n != 1280 {
		t.Error(n)
	}
	for f, values := range map[*func(int) error][]int{new(g.Set_memsize): {0, 127, -1}, new(g.Set_smp): {0, 256, -1}} {
		for _, v := range values {
			if err := (*f)(v); err == nil {
				t.Error(v)
			}
		}
	}
	check(t, g.Set_identifier("a_B-9"))
	if err := g.Set_identifier("a b"); err == nil {
		t.Error("identifier with a space")
	}
	if v := must[*Version](t)(g.Version()); v.Major != 1 || v.Minor < 40 {
		t.Errorf("%+v", v)
	}
}

func TestBackendSettings(t *testing.T) {
	g := create(t)
	check(t, g.Set_backend_settings([]string{"force_tcg", "gdb=x=y"}))
	for name, want := range map[string]string{"force_tcg": "1", "gdb": "x=y"} {
		if s := must[string](t)(g.Get_backend_setting(name)); s != want {
			t.Errorf("%s: %s", name, s)
		}
	}
	if _, err := g.Get_backend_setting("none"); !errors.Is(err, syscall.ESRCH) {
		t.Error(err)
	}
	check(t, g.Set_backend_setting("gdb", "z"))
	if l := must[[]string](t)(g.Get_backend_settings()); !slices.Equal(l, []string{"force_tcg", "gdb=z"}) {
		t.Errorf("%q", l)
	}
	if n := must[int](t)(g.Clear_backend_setting("force_tcg")); n != 1 {
		t.Error(n)
	}
	if n := must[int](t)(g.Clear_backend_setting("force_tcg")); n != 0 {
		t.Error(n)
	}
}

func TestEnvironment(t *testing.T) {
	g := create(t)
	dir := t.TempDir()
	check(t, g.Parse_environment_list([]string{
		"LIBGUESTFS_DEBUG=0", "LIBGUESTFS_MEMSIZE=500", "LIBGUESTFS_PATH=/a:/b", "LIBGUESTFS_QEMU=/q", "LIBGUESTFS_HV=/hv",
		"LIBGUESTFS_CACHEDIR=" + dir, "TMPDIR=" + os.TempDir(), "LIBGUESTFS_BACKEND=libvirt", "UNBOOT_GUESTFS_BACKEND=direct",
		"LIBGUESTFS_BACKEND_SETTINGS=a:b=c", "LIBGUESTFS_APPEND=x y", "nonsense",
	}))
	for want, f := range map[string]func() (string, error){
		"/a:/b": g.Get_path, "/hv": g.Get_hv, dir: g.Get_cachedir, os.TempDir(): g.Get_tmpdir, "direct": g.Get_backend,
	} {
		if s := must[string](t)(f()); s != want {
			t.Errorf("%s, want %s", s, want)
		}
	}
	for _, bad := range []string{"LIBGUESTFS_DEBUG=maybe", "LIBGUESTFS_MEMSIZE=1", "LIBGUESTFS_MEMSIZE=x", "LIBGUESTFS_TMPDIR=/none/there", "UNBOOT_GUESTFS_BACKEND=x"} {
		if err := g.Parse_environment_list([]string{bad}); err == nil {
			t.Error(bad)
		}
	}
	t.Setenv("LIBGUESTFS_MEMSIZE", "1")
	if _, err := Create(); err == nil {
		t.Error("create with an environment that makes no sense")
	}
	t.Setenv("LIBGUESTFS_MEMSIZE", "777")
	g2, err := Create()
	check(t, err)
	if n := must[int](t)(g2.Get_memsize()); n != 777 {
		t.Error(n)
	}
	g2.Close()
}

func TestDrives(t *testing.T) {
	g := create(t)
	image := blank(t, 1<<20)
	for what, o := range map[string]OptargsAdd_drive{
		"format":       {Format_is_set: true, Format: "r w"},
		"label":        {Label_is_set: true, Label: "with-minus"},
		"long label":   {Label_is_set: true, Label: strings.Repeat("a", 21)},
		"cache":        {Cachemode_is_set: true, Cachemode: "none"},
		"discard":      {Discard_is_set: true, Discard: "yes"},
		"ro discard":   {Discard_is_set: true, Discard: "enable", Readonly_is_set: true, Readonly: true},
		"block size":   {Blocksize_is_set: true, Blocksize: 1000},
		"protocol":     {Protocol_is_set: true, Protocol: "gopher", Server_is_set: true, Server: []string{"h"}},
		"no server":    {Protocol_is_set: true, Protocol: "nbd"},
		"file server":  {Server_is_set: true, Server: []string{"h"}},
		"file for who": {Username_is_set: true, Username: "u"},
	} {
		if err := g.Add_drive(image, &o); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	fails(t, g.Add_drive("/none/there", nil), "add_drive", "/none/there: No such file or directory", syscall.ENOENT)
	fails(t, g.Add_drive_ro(t.TempDir()+"/x"), "add_drive_ro", g.Last_error(), syscall.ENOENT)
	check(t, g.Add_drive(image, &OptargsAdd_drive{
		Label_is_set: true, Label: "boot", Protocol_is_set: true, Protocol: "file", Discard_is_set: true, Discard: "besteffort",
	}))
	if err := g.Add_drive(image, &OptargsAdd_drive{Label_is_set: true, Label: "boot"}); !errors.Is(err, syscall.EEXIST) {
		t.Error(err)
	}
	check(t, g.Add_drive_scratch(1<<20, &OptargsAdd_drive_scratch{Label_is_set: true, Label: "scratch"}))
	check(t, g.Add_drive("/dev/null", raw(true)))
	if err := g.Add_drive_scratch(0, nil); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	l := must[[]string](t)(g.Debug_drives())
	if len(l) != 3 || l[0] != image+" label=boot discard=besteffort" {
		t.Errorf("%q", l)
	}
	temp := g.temp
	if !exists(temp) {
		t.Error("no directory for scratch disks")
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if exists(temp) {
		t.Error("scratch disks are left")
	}
}

func TestStates(t *testing.T) {
	g := create(t)
	fails(t, g.Ping_daemon(), "ping_daemon", "ping_daemon: call launch before using this function", 0)
	if _, err := g.Cat("/x"); err == nil {
		t.Error("cat before launch")
	}
	if n := must[int](t)(g.Get_state()); n != 0 {
		t.Error(n)
	}
	check(t, g.Shutdown())
	if err := g.Wait_ready(); err == nil {
		t.Error("ready")
	}
	check(t, g.Add_drive(blank(t, 1<<20), raw(false)))
	check(t, g.Launch())
	if err := g.Launch(); err == nil {
		t.Error("launched twice")
	}
	if err := g.Add_drive_scratch(1<<20, nil); !errors.Is(err, syscall.EOPNOTSUPP) {
		t.Error(err)
	}
	if ok := must[bool](t)(g.Is_ready()); !ok {
		t.Error("not ready")
	}
	if _, err := g.Get_pid(); err == nil {
		t.Error("a process")
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := g.Close(); err == nil || err.Op != "close" || err.Error() != "close: handle is closed" {
		t.Error(err)
	}
	fails(t, g.Ping_daemon(), "ping_daemon", "handle is closed", 0)
	if b, err := g.Is_ready(); b || err == nil {
		t.Error(b, err)
	}
	if _, err := g.Set_event_callback(nil, EVENT_ALL); err == nil {
		t.Error("callback of a closed handle")
	}
}

func TestErrorText(t *testing.T) {
	for _, e := range []struct {
		e    GuestfsError
		want string
	}{
		{GuestfsError{Op: "mount", Errmsg: "mount: no"}, "mount: no"},
		{GuestfsError{Op: "cat", Errmsg: "download: no"}, "cat: download: no"},
		{GuestfsError{Op: "launch", Errmsg: "no", Errno: syscall.EIO}, "launch: no"},
	} {
		if e.e.Error() != e.want || e.e.String() != e.want {
			t.Errorf("%q, want %q", e.e.Error(), e.want)
		}
	}
	if (&GuestfsError{}).Unwrap() != nil {
		t.Error("errno 0 is an error")
	}
}
