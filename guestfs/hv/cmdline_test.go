package hv

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/server"
)

func TestProbes(t *testing.T) {
	const qmp = `{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 8}, "package": "unboot"}, "capabilities": []}}` + "\n"
	for _, test := range []struct{ args, in, want string }{
		{"-display none -help", "", version},
		{"-display none -machine accel=kvm:tcg -device ?", "", ""},
		{"-version", "", version},
		{"-display none -machine accel=kvm:tcg -qmp stdio",
			`{ "execute": "qmp_capabilities" } { "execute": "query-qmp-schema" } { "execute": "quit" }` + "\n",
			qmp + "{\"return\": {}}\n{\"return\": []}\n{\"return\": {}}\n"},
		{"-display none -machine accel=kvm:hvf:tcg -cpu max -qmp stdio -S",
			"{ \"execute\": \"qmp_capabilities\" }\n{ \"execute\": \"query-kvm\" }\n{ \"execute\": \"quit\" }\n",
			qmp + "{\"return\": {}}\n{\"return\": {\"enabled\": true, \"present\": true}}\n{\"return\": {}}\n"},
		{"-display none -machine none,accel=kvm:hvf:tcg -qmp stdio -S", "", qmp},
		{"-qmp stdio", "nonsense", qmp},
	} {
		var out bytes.Buffer
		if !Probe(strings.Fields(test.args), strings.NewReader(test.in), &out) || out.String() != test.want {
			t.Errorf("%s: %q, want %q", test.args, &out, test.want)
		}
	}
	if Probe([]string{"-device", "scsi-hd,drive=hd0", "-machine", "accel=kvm:tcg", "-drive", "file=/-help"}, nil, nil) {
		t.Error("a launch is taken for a probe")
	}
}

// TestDrives has the forms that libguestfs was seen to use.
func TestDrives(t *testing.T) {
	for _, test := range []struct {
		args []string
		want server.Drive
	}{
		{[]string{"file=/abs/f.img,cache=writeback,id=hd0,if=none"}, server.Drive{Path: "/abs/f.img"}},
		{[]string{"file=/abs,cache=writeback,format=qcow2,id=hd0,if=none"}, server.Drive{Path: "/abs", Format: "qcow2"}},
		{[]string{"file=/tmp/overlay1.qcow2,format=qcow2,cache=unsafe,id=hd0,if=none"}, server.Drive{Path: "/tmp/overlay1.qcow2", Format: "qcow2", Unsafe: true}},
		{[]string{"file.file.filename=/tmp/o,file.driver=qcow2,file.backing.file.locking=off,cache=unsafe,id=hd0,if=none"}, server.Drive{Path: "/tmp/o", Format: "qcow2", Unsafe: true}},
		{[]string{"file=/x/we,,ird.img,id=hd0,if=none"}, server.Drive{Path: "/x/we,ird.img"}},
		{[]string{"file=/x/,,,,,format=raw,id=hd0"}, server.Drive{Path: "/x/,,", Format: "raw"}},
		{[]string{"file=/x/trailing,,"}, server.Drive{Path: "/x/trailing,"}},
		{[]string{"file=/x,cache=unsafe,format=raw,copy-on-read=on,discard=unmap,id=hd0,if=none", "scsi-hd,drive=hd0,serial=LABEL,physical_block_size=4096,logical_block_size=512"},
			server.Drive{Path: "/x", Format: "raw", Unsafe: true, CopyOnRead: true, Discard: true, Label: "LABEL", PhysicalBlock: 4096, LogicalBlock: 512}},
		{[]string{"file=/x,id=hd0,if=none", "virtio-blk-pci,drive=hd0,serial=a,,b"}, server.Drive{Path: "/x", Label: "a,b"}},
		{[]string{"file=/x,if=ide,cache=writeback"}, server.Drive{Path: "/x"}},
		{[]string{"file=/x,snapshot=on,id=hd0"}, server.Drive{Path: "/x", ReadOnly: true}},
		{[]string{"file=nbd:example.com:3000:exportname=exp,id=hd0"}, server.Drive{Path: "exp", Protocol: "nbd", URL: "nbd:example.com:3000:exportname=exp"}},
		{[]string{"file=nbd:unix:/sock,id=hd0"}, server.Drive{Protocol: "nbd", URL: "nbd:unix:/sock"}},
		{[]string{"file=ssh://user@host/path,id=hd0"}, server.Drive{Path: "/path", Protocol: "ssh", URL: "ssh://user@host/path"}},
		{[]string{"file=https://host/p/q.img,format=raw"}, server.Drive{Path: "/p/q.img", Format: "raw", Protocol: "https", URL: "https://host/p/q.img"}},
		{[]string{"file=iscsi://u%p@h:1/iqn/1"}, server.Drive{Path: "/iqn/1", Protocol: "iscsi", URL: "iscsi://u%p@h:1/iqn/1"}},
		{[]string{"file=rbd:pool/disk:mon_host=a:id=b"}, server.Drive{Path: "pool/disk", Protocol: "rbd", URL: "rbd:pool/disk:mon_host=a:id=b"}},
	} {
		args := []string{"-chardev", "socket,path=/s,id=channel0", "-drive", test.args[0]}
		if len(test.args) > 1 {
			args = append(args, "-device", test.args[1])
		}
		vm, err := Parse(args)
		if err != nil || len(vm.Drives) != 1 || vm.Drives[0] != test.want {
			t.Errorf("%v: %v, %+v", test.args, err, vm)
		}
	}
}

// TestCommandLine has the whole line of libguestfs 1.48.6.
func TestCommandLine(t *testing.T) {
	vm, err := Parse([]string{"-global", "virtio-blk-pci.scsi=off", "-no-user-config", "-nodefaults", "-display", "none", "-machine", "accel=kvm:tcg",
		"-cpu", "max,la57=off", "-smp", "2", "-m", "1280", "-no-reboot", "-rtc", "driftfix=slew", "-no-hpet", "-kernel", "K", "-initrd", "I",
		"-object", "rng-random,filename=/dev/urandom,id=rng0", "-device", "virtio-rng-pci,rng=rng0", "-device", "virtio-scsi-pci,id=scsi",
		"-drive", "file=/a,cache=writeback,id=hd0,if=none", "-device", "scsi-hd,drive=hd0",
		"-drive", "file=/b,cache=writeback,id=hd1,if=none", "-device", "scsi-hd,drive=hd1,serial=two",
		"-drive", "file=ROOT,snapshot=on,id=appliance,cache=unsafe,if=none,format=raw", "-device", "scsi-hd,drive=appliance",
		"-device", "virtio-serial-pci", "-serial", "stdio", "-chardev", "socket,path=/tmp/libguestfsXXXXXX/guestfsd.sock,id=channel0",
		"-device", "virtserialport,chardev=channel0,name=org.libguestfs.channel.0", "-netdev", "user,id=usernet,net=169.254.0.0/16",
		"-append", "panic=1 console=ttyS0 selinux=0 guestfs_verbose=1 guestfs_network=1 TERM=xterm"})
	if err != nil {
		t.Fatal(err)
	}
	want := []server.Drive{{Path: "/a"}, {Path: "/b", Label: "two"}}
	if !reflect.DeepEqual(vm.Drives, want) || vm.Socket != "/tmp/libguestfsXXXXXX/guestfsd.sock" || !vm.Verbose || !vm.Network || vm.Rescue || vm.SMP != 2 {
		t.Errorf("%+v", vm)
	}
}

func TestParseErrors(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"-drive"},
		{"-drive", "file="},
		{"-drive", "file=/x,id=hd0", "-device", "scsi-hd,drive=hd0,logical_block_size=big"},
		{"-drive", "file=/x,id=hd0", "-device", "scsi-hd,drive=hd0,logical_block_size=-1"},
	} {
		if _, err := Parse(args); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestEnv(t *testing.T) {
	e := testEnv(t)
	if again := testEnvAgain(t); again != e {
		t.Errorf("%v, then %v", e, again)
	}
	for _, name := range applianceFiles() {
		if fi, err := os.Stat(filepath.Join(e.Path, name)); err != nil || fi.Size() != 0 {
			t.Error(name, err)
		}
	}
	if fi, err := os.Stat(filepath.Dir(e.Path)); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	// A link to something else is replaced.
	os.Remove(e.HV)
	os.Symlink("/bin/false", e.HV)
	testEnvAgain(t)
	program, _ := os.Executable()
	if target, err := os.Readlink(e.HV); err != nil || target != program {
		t.Errorf("%s, %v", target, err)
	}
	os.Chmod(e.Path, 0o777)
	if _, err := FindEnv(program); err == nil {
		t.Error("a directory for everybody is used")
	}
	os.Chmod(e.Path, 0o700)
	t.Setenv(fallbackEnv, "1")
	if e := testEnvAgain(t); e.Path != "" || len(e.Variables()) != 2 {
		t.Errorf("with qemu: %v", e)
	}
}

func testEnvAgain(t *testing.T) Env {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e, err := FindEnv(program)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPackagedEnv(t *testing.T) {
	root := t.TempDir()
	t.Setenv("TMPDIR", "/nonexistent")
	unsetenv(t, "XDG_RUNTIME_DIR")
	program := filepath.Join(root, "bin", "unboot")
	lib := filepath.Join(root, "lib", "unboot")
	for _, dir := range []string{lib, filepath.Dir(program)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range append(applianceFiles(), "../../bin/unboot") {
		if err := os.WriteFile(filepath.Join(lib, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := FindEnv(program); err == nil {
		t.Error("used without the link")
	}
	if err := os.Symlink("../../bin/unboot", filepath.Join(lib, Name)); err != nil {
		t.Fatal(err)
	}
	if e, err := FindEnv(program); err != nil || e.Path != lib || e.HV != filepath.Join(lib, Name) {
		t.Errorf("%v, %v", e, err)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"/a/b.c-d": "/a/b.c-d", "": "''", "it's": `'it'\''s'`, "a b": "'a b'"} {
		if got := Quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestFallback(t *testing.T) {
	dir := t.TempDir()
	qemu := filepath.Join(dir, "qemu-system-x86_64")
	if err := os.WriteFile(qemu, []byte("#!/bin/sh\necho \"qemu $*\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	e := testEnv(t)
	for _, value := range []string{qemu, "1"} {
		t.Setenv(fallbackEnv, value)
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		if out := output(t, e.HV, "-help"); out != "qemu -help\n" {
			t.Errorf("%s: %q", value, out)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-drive\x00file=/a,,b,id=hd0\x00-device\x00scsi-hd,drive=hd0,serial=x\x00-append\x00guestfs_verbose=1\x00-chardev\x00socket,path=/s,id=channel0")
	f.Add("-drive\x00file=nbd:a:1:exportname=x")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		vm, err := Parse(args)
		if (vm == nil) == (err == nil) {
			t.Errorf("%v, %v", vm, err)
		}
		Probe(args, strings.NewReader(line), &bytes.Buffer{})
	})
}
