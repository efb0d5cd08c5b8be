package customize_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/customize"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/hive"
	"github.com/unboot/unboot/inspect/registry"
	"github.com/unboot/unboot/internal/testguest"
	"github.com/unboot/unboot/internal/testimg"
)

// debian is what most tests change.
var debian = testguest.Files{
	"etc/os-release":   "PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n",
	"bin/bash":         testguest.ELF(),
	"usr/bin/dpkg":     testguest.ELF(),
	"usr/bin/apt-get":  testguest.ELF(),
	"etc/passwd":       "root:x:0:0:root:/root:/bin/bash\n",
	"etc/shadow":       "root:*:19000:0:99999:7:::\n",
	"etc/hosts":        "127.0.0.1 localhost\n",
	"etc/machine-id":   "0123456789abcdef0123456789abcdef\n",
	"root/":            "",
	"tmp/":             "",
	"var/lib/systemd/": "",
}

// said collects all that a guest reports.
type said struct{ say, warn, reveal []string }

// mounted makes an image with files, and calls do with the guest in it.
func mounted(t *testing.T, files testguest.Files, do func(g *customize.Guest, s *said)) {
	t.Helper()
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	testguest.Fill(t, image, "/dev/sda", "", files)
	testguest.Change(t, image, func(img *unboot.Image) error {
		return guest(t, img, "/dev/sda", do)
	})
	testimg.Fsck(t, "ext4", image)
}

func guest(t *testing.T, img *unboot.Image, device string, do func(g *customize.Guest, s *said)) error {
	f, err := img.Mount(device)
	if err != nil {
		return err
	}
	system, err := (&inspect.Inspector{OpenHive: registry.Open}).Tree(f)
	if err != nil {
		return errors.Join(err, f.Unmount())
	}
	s := &said{}
	do(&customize.Guest{
		FS: f, System: system,
		Say:    func(text string) { s.say = append(s.say, text) },
		Warn:   func(text string) { s.warn = append(s.warn, text) },
		Reveal: func(user, password string) { s.reveal = append(s.reveal, user+":"+password) },
	}, s)
	return f.Unmount()
}

// plan makes a plan of options, each NAME or NAME=VALUE.
func plan(t *testing.T, options ...string) *customize.Plan {
	t.Helper()
	p := &customize.Plan{}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		if err := p.Add(name, value); err != nil {
			t.Fatalf("%s: %v", o, err)
		}
	}
	return p
}

// A runner notes what it is to run, and says something.
type runner struct {
	t    *testing.T
	fs   *unboot.FS
	fail error
	ran  []ran
}

type ran struct {
	script, stdin string
	args, env     []string
	mode          os.FileMode
	network       bool
}

func (r *runner) Run(_ context.Context, p *customize.Program) error {
	name := strings.TrimPrefix(p.Path, "/")
	script, err := r.fs.ReadFile(name)
	if err != nil {
		r.t.Error(err)
	}
	st, err := r.fs.Lstat(name)
	if err != nil {
		r.t.Error(err)
	}
	run := ran{script: string(script), args: p.Args, env: p.Env, mode: st.Mode(), network: p.Network}
	if p.Stdin != nil {
		in, _ := io.ReadAll(p.Stdin)
		run.stdin = string(in)
	}
	r.ran = append(r.ran, run)
	fmt.Fprintf(p.Stdout, "out %d\n", len(r.ran))
	fmt.Fprint(p.Stderr, "err\x1b[2J\n")
	return r.fail
}

func TestRunner(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/usr/bin/python3\nprint(1)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mounted(t, debian, func(g *customize.Guest, s *said) {
		r := &runner{t: t, fs: g.FS}
		g.Runner = r
		p := plan(t, "run-command=echo a", "run="+script, "install=vim,it's", "update", "uninstall=vim",
			"sm-credentials=me:password:hush", "sm-register", "sm-attach=pool:7", "sm-remove", "sm-unregister", "root-password=password:hush")
		if err := p.Run(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		scripts := []string{
			"#!/bin/sh\necho a\n", "#!/usr/bin/python3\nprint(1)\n", "install 'vim' 'it'\\''s'\n", "upgrade\n", "remove 'vim'\n",
			"register --username='me'\n", "attach --pool='7'\n", "remove --all\n", "unregister\n",
		}
		if len(r.ran) != len(scripts) {
			t.Fatalf("%d programs: %+v", len(r.ran), r.ran)
		}
		for i, want := range scripts {
			if !strings.HasSuffix(r.ran[i].script, want) || r.ran[i].mode.Perm() != 0o700 || r.ran[i].network != (i >= 2) {
				t.Errorf("%d: %+v, want %q", i, r.ran[i], want)
			}
			// A secret is in nothing that others can see.
			if strings.Contains(fmt.Sprint(r.ran[i].script, r.ran[i].args, r.ran[i].env), "hush") {
				t.Errorf("%d: %+v", i, r.ran[i])
			}
		}
		if r.ran[5].stdin != "hush\n" {
			t.Errorf("%q", r.ran[5].stdin)
		}
		if all := fmt.Sprint(*s); strings.Contains(all, "hush") {
			t.Error(all)
		}
		log, err := g.FS.ReadFile("tmp/builder.log")
		if err != nil || !strings.HasPrefix(string(log), "out 1\nerr\x1b[2J\nout 2\n") {
			t.Errorf("%q, %v", log, err)
		}
		if list, _ := g.FS.ReadDir("tmp"); len(list) != 1 {
			t.Errorf("left in /tmp: %v", list)
		}
		// A failure has the end of the output, without what a terminal would obey.
		r.fail = errors.New("exit status 3")
		err = plan(t, "run-command=false", "write=/never:x").Run(t.Context(), g)
		if err == nil || err.Error() != "false: exit status 3\nout 10\nerr[2J" {
			t.Errorf("%q", err)
		}
		if _, err := g.FS.Stat("never"); err == nil {
			t.Error("went on after an error")
		}
		if err := plan(t, "no-logfile").Run(t.Context(), g); err != nil {
			t.Error(err)
		}
		if list, _ := g.FS.ReadDir("tmp"); len(list) != 0 {
			t.Errorf("left in /tmp: %v", list)
		}
		// A link that a user of the guest has put where the log goes is not followed.
		if err := g.FS.Symlink("/etc/passwd", "tmp/builder.log"); err != nil {
			t.Fatal(err)
		}
		r.fail = nil
		if err := plan(t, "run-command=true").Run(t.Context(), g); err != nil {
			t.Error(err)
		}
		if data, _ := g.FS.ReadFile("etc/passwd"); string(data) != debian["etc/passwd"] {
			t.Errorf("/etc/passwd: %q", data)
		}
		// Without a runner.
		g.Runner = nil
		if err := plan(t, "install=vim").Run(t.Context(), g); !errors.Is(err, customize.ErrNoRunner) {
			t.Error(err)
		}
	})
}

// Each package manager gets its own commands, which ask nothing.
func TestManagers(t *testing.T) {
	mounted(t, debian, func(g *customize.Guest, _ *said) {
		r := &runner{t: t, fs: g.FS}
		g.Runner = r
		for manager, want := range map[string]string{
			"apk": "apk add 'a'", "apt": "install 'a'", "dnf": "dnf -y install 'a'", "pacman": "pacman -Sy --noconfirm 'a'", "yum": "yum -y install 'a'",
			"zypper": "zypper -n in -l 'a'", "xbps": "xbps-install -Sy 'a'", "urpmi": "urpmi --auto 'a'", "pisi": "pisi -y it 'a'",
		} {
			g.System.PackageManagement = manager
			for _, option := range []string{"install=a", "uninstall=a", "update"} {
				if err := plan(t, option).Run(t.Context(), g); err != nil {
					t.Errorf("%s: %v", manager, err)
				}
			}
			if script := r.ran[len(r.ran)-3].script; !strings.Contains(script, want+"\n") {
				t.Errorf("%s: %q", manager, script)
			}
		}
		for _, manager := range []string{"", "portage"} {
			g.System.PackageManagement = manager
			if err := plan(t, "install=a").Run(t.Context(), g); err == nil || !strings.HasPrefix(err.Error(), "--install: ") {
				t.Errorf("%q: %v", manager, err)
			}
		}
	})
}

// What is replaced keeps its owner, mode and attributes.
func TestKept(t *testing.T) {
	mounted(t, debian, func(g *customize.Guest, _ *said) {
		label := []byte("system_u:object_r:shadow_t:s0\x00")
		for _, err := range []error{
			g.FS.Chown("etc/shadow", 0, 42), g.FS.Chmod("etc/shadow", 0o640),
			g.FS.Setxattr("etc/shadow", "security.selinux", label, 0), g.FS.Setxattr("etc/shadow", "user.a", []byte("b"), 0),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := plan(t, "root-password=random", "password-crypto=sha256").Run(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		m, err := g.FS.Metadata("etc/shadow")
		if err != nil {
			t.Fatal(err)
		}
		if m.Mode != 0o640 || m.UID != 0 || m.GID != 42 || string(m.Xattrs["security.selinux"]) != string(label) || string(m.Xattrs["user.a"]) != "b" {
			t.Errorf("%+v", m)
		}
	})
}

// Other distributions have other places.
func TestDistributions(t *testing.T) {
	for _, c := range []struct {
		name   string
		system inspect.System
		more   testguest.Files
		want   map[string]string
	}{
		{"old RHEL", inspect.System{Type: inspect.Linux, Distro: "rhel", Major: 6}, testguest.Files{"etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME=old\nX=1"},
			map[string]string{"etc/sysconfig/network": "NETWORKING=yes\nX=1\nHOSTNAME=web\n"}},
		{"Alpine", inspect.System{Type: inspect.Linux, Distro: "alpinelinux"}, testguest.Files{"etc/runlevels/default/": "", "etc/init.d/": ""},
			map[string]string{"etc/hostname": "web\n", "etc/runlevels/default/guestfs-firstboot": "#!/sbin/openrc-run"}},
		{"Gentoo", inspect.System{Type: inspect.Linux, Distro: "gentoo"}, testguest.Files{"etc/conf.d/hostname": "# a\nhostname=\"old\"\n", "etc/runlevels/default/": "", "etc/init.d/": ""},
			map[string]string{"etc/conf.d/hostname": "# a\nhostname=\"web\"\n"}},
		{"Arch", inspect.System{Type: inspect.Linux, Distro: "archlinux"}, testguest.Files{"etc/systemd/system/": ""},
			map[string]string{"etc/hostname": "web\n", "etc/systemd/system/multi-user.target.wants/guestfs-firstboot.service": "[Unit]"}},
		{"SUSE", inspect.System{Type: inspect.Linux, Distro: "opensuse", Major: 12}, testguest.Files{"etc/init.d/": ""},
			map[string]string{"etc/HOSTNAME": "web\n", "etc/init.d/rc3.d/S99guestfs-firstboot": "#!/bin/sh"}},
		{"FreeBSD", inspect.System{Type: inspect.FreeBSD}, testguest.Files{"etc/rc.conf": "hostname=\"old\"\nsshd_enable=\"YES\"\n"},
			map[string]string{"etc/rc.conf": "sshd_enable=\"YES\"\nhostname=\"web\"\n"}},
		{"OpenBSD", inspect.System{Type: inspect.OpenBSD}, nil, map[string]string{"etc/myname": "web\n"}},
	} {
		files := testguest.Files{}
		for name, text := range debian {
			files[name] = text
		}
		for name, text := range c.more {
			files[name] = text
		}
		mounted(t, files, func(g *customize.Guest, s *said) {
			g.System = &c.system
			options := []string{"hostname=web"}
			if c.system.Type == inspect.Linux && c.system.Major != 6 {
				options = append(options, "firstboot-command=echo")
			}
			if err := plan(t, options...).Run(t.Context(), g); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			for name, want := range c.want {
				if data, err := g.FS.ReadFile(name); err != nil || !strings.HasPrefix(string(data), want) {
					t.Errorf("%s: %s: %q, %v", c.name, name, data, err)
				}
			}
		})
	}
	// A Linux that nobody knows how to have run something, and what has no passwords.
	mounted(t, debian, func(g *customize.Guest, s *said) {
		if err := plan(t, "firstboot-command=echo").Run(t.Context(), g); err == nil || !strings.Contains(err.Error(), "none of systemd") {
			t.Error(err)
		}
		g.System = &inspect.System{Type: inspect.Hurd}
		if err := plan(t, "hostname=web", "root-password=random", "timezone=UTC").Run(t.Context(), g); err != nil {
			t.Error(err)
		}
		if len(s.warn) != 4 || len(s.reveal) != 0 {
			t.Errorf("%q", s)
		}
	})
}

// Relabelling is left to the guest's next boot if nothing can do it now.
func TestRelabel(t *testing.T) {
	files := testguest.Files{
		"usr/sbin/load_policy": testguest.ELF(), "etc/selinux/config": "SELINUX=enforcing\nSELINUXTYPE=mls\n",
		"etc/selinux/mls/contexts/files/file_contexts": "/.* system_u:object_r:default_t:s0\n",
	}
	for name, text := range debian {
		files[name] = text
	}
	mounted(t, files, func(g *customize.Guest, s *said) {
		if err := plan(t, "selinux-relabel").Run(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if _, err := g.FS.Stat(".autorelabel"); err != nil {
			t.Error(err)
		}
		r := &runner{t: t, fs: g.FS, fail: errors.New("exit status 1")}
		g.Runner = r
		if err := plan(t, "selinux-relabel").Run(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if _, err := g.FS.Stat(".autorelabel"); err != nil || len(s.warn) != 1 {
			t.Errorf("%v, %q", err, s.warn)
		}
		r.fail = nil
		if err := plan(t, "selinux-relabel").Run(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if _, err := g.FS.Stat(".autorelabel"); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		if want := "setfiles -q '/etc/selinux/mls/contexts/files/file_contexts' '/'\n"; !strings.HasSuffix(r.ran[1].script, want) {
			t.Errorf("%q", r.ran[1].script)
		}
	})
	mounted(t, debian, func(g *customize.Guest, s *said) {
		if err := plan(t, "selinux-relabel").Run(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if _, err := g.FS.Stat(".autorelabel"); !errors.Is(err, os.ErrNotExist) {
			t.Error("a guest without SELinux is to be relabelled")
		}
	})
}

// The machine ID is set only where it is empty, and never where copies are made.
func TestMachineID(t *testing.T) {
	mounted(t, debian, func(g *customize.Guest, s *said) {
		read := func() string { data, _ := g.FS.ReadFile("etc/machine-id"); return string(data) }
		run := func() {
			if err := plan(t).Run(t.Context(), g); err != nil {
				t.Error(err)
			}
		}
		if run(); read() != debian["etc/machine-id"] {
			t.Errorf("%q", read())
		}
		if err := g.FS.Truncate("etc/machine-id", 0); err != nil {
			t.Fatal(err)
		}
		g.Template = true
		if run(); read() != "" {
			t.Errorf("%q", read())
		}
		g.Template = false
		run()
		id := read()
		if len(id) != 33 || id[12] != '4' || !strings.ContainsRune("89ab", rune(id[16])) {
			t.Errorf("%q", id)
		}
		if run(); read() != id {
			t.Error("a second time")
		}
		seed, err := g.FS.ReadFile("var/lib/systemd/random-seed")
		if err != nil || len(seed) != 512 {
			t.Errorf("seed of %d bytes, %v", len(seed), err)
		}
	})
}

func TestWindows(t *testing.T) {
	tools := t.TempDir()
	t.Setenv("VIRT_TOOLS_DATA_DIR", tools)
	agent := t.TempDir()
	for _, name := range []string{filepath.Join(agent, "qemu-ga-x86_64.msi"), filepath.Join(agent, "virtio.inf")} {
		if err := os.WriteFile(name, []byte("msi"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	image := testguest.Windows(t)
	testguest.Change(t, image, func(img *unboot.Image) error {
		return guest(t, img, "/dev/sda2", func(g *customize.Guest, s *said) {
			if err := plan(t, "firstboot-command=dir").Run(t.Context(), g); err == nil || !strings.Contains(err.Error(), "rhsrvany.exe") {
				t.Error(err)
			}
			if err := os.WriteFile(filepath.Join(tools, "rhsrvany.exe"), []byte("MZ"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := plan(t, "firstboot-command=dir", "inject-qemu-ga="+agent, "append-line=/new.txt:one").Run(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			if err := plan(t, "inject-virtio-win="+agent).Run(t.Context(), g); err == nil {
				t.Error("drivers were installed?")
			}
			const dir = "Program Files/Guestfs/Firstboot/"
			for name, want := range map[string]string{
				dir + "rhsrvany.exe": "MZ", dir + "Temp/qemu-ga-x86_64.msi": "msi", dir + "scripts/5000-0001-dir.bat": "dir\r\n", "new.txt": "one\r\n",
			} {
				if data, err := g.FS.ReadFile(name); string(data) != want {
					t.Errorf("%s: %q, %v", name, data, err)
				}
			}
			list, err := g.FS.ReadDir(dir + "scripts")
			if err != nil || len(list) != 2 || list[1].Name() != "5000-0002-install-qemu-ga-x86_64-msi.bat" {
				t.Errorf("%v, %v", list, err)
			}
			data, err := g.FS.ReadFile(strings.TrimPrefix(g.System.Windows.SystemHive, "/"))
			if err != nil {
				t.Fatal(err)
			}
			h, err := hive.Parse(data, 0)
			if err != nil {
				t.Fatal(err)
			}
			service, err := h.Lookup(g.System.Windows.ControlSet, "Services", "firstboot")
			if err != nil {
				t.Fatal(err)
			}
			if path, err := service.String("ImagePath"); path != `"C:\Program Files\Guestfs\Firstboot\rhsrvany.exe" -s firstboot` {
				t.Errorf("%q, %v", path, err)
			}
		})
	})
}

// What cannot be done is an error, with the name of the file, before or when it is done.
func TestErrors(t *testing.T) {
	for _, o := range []string{
		"none=x", "hostname=a b", "hostname=", "chmod=08:/x", "chmod=07777777:/x", "chown=a:b:/x", "chown=1:2", "write=x", "write=x:y", "link=/x", "link=/x:y",
		"password=a", "password=:random", "password=a b:random", "password-crypto=rot13", "install=", "install=a,,b", "install=-y", "timezone=../x", "timezone=/x",
		"upload=/nowhere:/x", "upload=/:/x", "copy-in=/nowhere:/x", "tar-in=/nowhere:/x", "run=/nowhere", "firstboot=/", "run-command= ",
		"ssh-inject=root:x", "ssh-inject=root:string:", "sm-credentials=a", "sm-credentials=a:password:", "sm-attach=x", "append-line=/x:a\nb", "commands-from-file=/nowhere",
	} {
		name, value, _ := strings.Cut(o, "=")
		if err := (&customize.Plan{}).Add(name, value); err == nil {
			t.Errorf("%s: no error", o)
		}
	}
	mounted(t, debian, func(g *customize.Guest, _ *said) {
		for o, want := range map[string]string{
			"chmod=0644:/none": "/none: ", "chown=1:2:/none": "/none: ", "truncate=/none": "/none: ", "truncate-recursive=/none": "/none: ", "copy=/none:/x": "/none: ",
			"move=/none:/x": "/none: ", "move=/etc:/etc/x": "/etc: ", "write=/none/x:y": "/none/x: ", "link=/x:/none/y": "/none/y: ", "touch=/etc": "/etc: not a regular file",
			"password=nobody:disabled": "/etc/shadow: no user nobody", "sm-register": "--sm-register needs", "upload=/etc/hostname:/none/x": "/none/x: ", "copy-in=/etc/hostname:/none": "/none: ",
			"mkdir=/etc/passwd/x": "/etc/passwd/x: ",
		} {
			if strings.HasPrefix(o, "upload=/etc/hostname") || strings.HasPrefix(o, "copy-in=/etc/hostname") {
				if _, err := os.Stat("/etc/hostname"); err != nil {
					continue
				}
			}
			if err := plan(t, o).Run(t.Context(), g); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: %v", o, err)
			}
		}
		if err := plan(t, "delete=/none*", "delete=/etc/none", "ssh-inject=root:string:ssh-rsa A").Run(t.Context(), g); err != nil {
			t.Error(err)
		}
		names := []string{}
		for _, o := range customize.Options() {
			names = append(names, o.Name)
		}
		if !slices.IsSorted(names) {
			t.Errorf("not sorted: %q", names)
		}
	})
}

// A directory moves between file systems, too.
func TestMoveAcross(t *testing.T) {
	image := testguest.Fedora(t, nil)
	testguest.Change(t, image, func(img *unboot.Image) error {
		f, err := img.MountOS()
		if err != nil {
			return err
		}
		system, err := (&inspect.Inspector{}).Tree(f)
		if err != nil {
			return err
		}
		g := &customize.Guest{FS: f, System: system}
		if err := plan(t, "mkdir=/opt/d", "write=/opt/d/f:x", "chown=5:6:/opt/d/f", "move=/opt/d:/boot").Run(t.Context(), g); err != nil {
			t.Error(err)
		}
		m, err := f.Metadata("boot/d/f")
		if err != nil || m.UID != 5 || m.GID != 6 {
			t.Errorf("%+v, %v", m, err)
		}
		if _, err := f.Lstat("opt/d"); !errors.Is(err, unix.ENOENT) {
			t.Error(err)
		}
		return f.Unmount()
	})
}
