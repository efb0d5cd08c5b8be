package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/unboot/unboot/fusefs"
	"github.com/unboot/unboot/guestfs/hv"
	"github.com/unboot/unboot/internal/ftptest"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/lkl"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"unboot": main, hv.Name: main, mountHelper: main, umountHelper: main, "fuservicemount": fuservicemount, "ftpserver": ftpServer})
}

// ftpServer is a program for scripts: ftpserver FILE DIR serves FILE until it is interrupted.
// It writes into DIR what the address is, for each scheme (ftp, ftps, ftpes) a file of its name,
// and the certificate of the server (cert); the file "ready" is the last one. The user "me" has
// the password "s3cr3t".
func ftpServer() {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	b, err := os.ReadFile(os.Args[1])
	check(err)
	write := func(name, text string) { check(os.WriteFile(filepath.Join(os.Args[2], name), []byte(text), 0o644)) }
	// Its certificate is for the loopback address.
	https := httptest.NewTLSServer(nil)
	write("cert", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: https.Certificate().Raw})))
	for _, scheme := range []string{"ftp", "ftps", "ftpes"} {
		var config *tls.Config
		if scheme != "ftp" {
			config = &tls.Config{Certificates: https.TLS.Certificates}
		}
		s, err := ftptest.Listen(b, "s3cr3t", config, scheme == "ftps")
		check(err)
		write(scheme, s.URL(scheme, nil).Host)
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt)
	write("ready", "")
	<-end
}

// needKernel skips a test in a build without a kernel image.
func needKernel(t *testing.T) {
	t.Helper()
	k, err := lkl.Boot(context.Background(), nil)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	k.Kill()
}

// TestScripts runs the scripts in testdata, each in a directory of its own. The
// commands that they have besides those of testscript are about images:
//
//	image FILE FSTYPE       a private copy of an image with the odd tree
//	blank FILE FSTYPE [MIB] one with an empty file system
//	debian FILE KIND        a disk with a Debian
//	boottar FILE            an archive of a Debian with a kernel and GRUB
//	endless FILE            an image with metadata that do not end
//	busybox FILE            a small guest in which programs run
//	volumes FIXTURE [DIR]   copies of the disks of package testvol: sda, sdb…; $UUID_sda2
//	                        and $UUID_vg_lv are what blkid has called what is there,
//	                        $SHA256_lv that of its file data
//	case FILE NAME          what was collected from elsewhere, if it is there
//	oddtree DIR FSTYPE      the odd tree on the host
//	loop VAR FILE FSTYPE    mounts by the host's kernel, $VAR is where
//	unloop FILE             unmounts it
//	fsck FSTYPE FILE        the outside checker
//	sametree A B [WHAT...]  compares two trees of the host: see treeDiff
//	code N COMMAND...       a command and its exit code
//	waitfor SOCKET          waits until somebody listens on a Unix socket
//	exec ftpserver FILE DIR serves FILE by FTP, with and without TLS: see ftpServer
//	unchanged FILE          the file has the content it had at the first call
//
// [root] is whether the tests run as root, [programs] whether the kernel runs programs, [fuse]
// whether images can be mounted, and [thorough] whether there is time for all.
func TestScripts(t *testing.T) {
	needKernel(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("UNBOOT_KERNEL", os.Getenv("UNBOOT_KERNEL"))
			env.Setenv("TZ", "UTC")
			env.Setenv("LC_ALL", "C.UTF-8")
			env.Values[keyTB] = env.T().(testing.TB)
			env.Values[keyLoops] = map[string]string{}
			env.Defer(func() { leaveMounts(env.WorkDir) })
			env.Defer(func() {
				for file := range env.Values[keyLoops].(map[string]string) {
					unloop(env.Values[keyLoops].(map[string]string), file)
				}
			})
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "programs":
				return programsRun()
			case "fuse":
				return fuseWorks(), nil
			case "thorough":
				return testimg.Thorough(), nil
			}
			return false, errors.New("unknown condition " + cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"image": cmdImage, "blank": cmdBlank, "debian": cmdDebian, "volumes": cmdVolumes, "case": cmdCase, "oddtree": cmdOddTree,
			"loop": cmdLoop, "unloop": cmdUnloop, "fsck": cmdFsck, "sametree": cmdSameTree, "code": cmdCode, "busybox": cmdBusybox,
			"unchanged": cmdUnchanged, "endless": cmdEndless, "waitfor": cmdWaitFor, "boottar": cmdBootTar,
		},
	})
}

// programsRun reports whether the kernel can run programs.
var programsRun = sync.OnceValues(func() (bool, error) {
	k, err := lkl.Boot(context.Background(), &lkl.Config{Programs: lkl.MinPrograms})
	if err != nil {
		return false, err
	}
	defer k.Kill()
	if err = k.StartPrograms(); errors.Is(err, lkl.ErrNoPrograms) {
		return false, nil
	}
	return err == nil, err
})

// fuseWorks reports whether the host has FUSE, and lets these tests use it.
func fuseWorks() bool {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	_, err = exec.LookPath("fusermount3")
	return err == nil || os.Geteuid() == 0
}

// leaveMounts unmounts what a script that has failed has left.
func leaveMounts(below string) {
	list, _ := ourMounts()
	for _, m := range list {
		if strings.HasPrefix(m.dir, below+"/") {
			fusefs.Unmount(m.dir, true)
		}
	}
}

type key string

const (
	keyTB    key = "tb"
	keyLoops key = "loops"
)

func tb(ts *testscript.TestScript) testing.TB { return ts.Value(keyTB).(testing.TB) }

func arity(ts *testscript.TestScript, neg bool, args []string, low, high int) {
	if neg || len(args) < low || len(args) > high {
		ts.Fatalf("wrong use of a command of script_test.go")
	}
}

func cmdImage(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 2, 2)
	ts.Check(testimg.Copy(testimg.FS(tb(ts), args[1], testimg.Options{Tree: true}), ts.MkAbs(args[0])))
}

func cmdEndless(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 1, 1)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), testimg.Endless(), 0o644))
}

func cmdBlank(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 2, 3)
	o := testimg.Options{}
	if len(args) > 2 {
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		o.Size = int64(n) << 20
	}
	if args[1] == "btrfs" {
		// The host mounts no two at a time with the same UUID.
		sum := sha256.Sum256([]byte(ts.Name()))
		o.Args = []string{"-U", fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])}
	}
	ts.Check(testimg.Copy(testimg.FS(tb(ts), args[1], o), ts.MkAbs(args[0])))
}

func cmdDebian(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 2, 2)
	ts.Check(testimg.Copy(testimg.Debian(tb(ts), args[1]), ts.MkAbs(args[0])))
}

func cmdBootTar(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 1, 1)
	ts.Check(os.Symlink(testimg.DebianBootTar(tb(ts)), ts.MkAbs(args[0])))
}

func cmdBusybox(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 1, 1)
	ts.Check(testimg.Copy(testimg.Busybox(tb(ts)), ts.MkAbs(args[0])))
}

func cmdVolumes(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 1, 2)
	dir := ts.MkAbs(".")
	if len(args) > 1 {
		dir = ts.MkAbs(args[1])
		ts.Check(os.MkdirAll(dir, 0o755))
	}
	for i, from := range testvol.Unpack(tb(ts), args[0]) {
		ts.Check(testimg.Copy(from, filepath.Join(dir, "sd"+string(rune('a'+i)))))
	}
	setUUIDs(ts, args[0])
	for _, c := range testvol.Contents(tb(ts), args[0]) {
		ts.Setenv("SHA256_"+filepath.Base(c.Node), c.SHA256)
	}
}

// setUUIDs sets variables, as the fixtures' UUIDs are others each time they are made.
func setUUIDs(ts *testscript.TestScript, fixture string) {
	name := ""
	for line := range strings.Lines(testvol.Record(tb(ts), fixture, "blkid.txt")) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key {
		case "DEVICE":
			name = strings.ReplaceAll(filepath.Base(value), "-", "_")
		case "UUID":
			ts.Setenv("UUID_"+name, value)
		}
	}
}

func cmdCase(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 2, 2)
	packed, err := filepath.Abs(filepath.Join("../../../shared/cases/files", args[1]+".xz"))
	ts.Check(err)
	if _, err := os.Stat(packed); err != nil {
		tb(ts).Skip(err)
	}
	testimg.Need(tb(ts), "xz")
	_, err = testimg.Run("sh", "-c", `xz -dc "$1" | dd bs=64k conv=sparse status=none of="$2" && truncate -s "$(xz -l --robot "$1" | awk '/^totals/{print $5}')" "$2"`, "sh", packed, ts.MkAbs(args[0]))
	ts.Check(err)
}

func cmdOddTree(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 2, 2)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(testimg.WriteTree(dir, testimg.TreeFor(args[1])))
}

func cmdLoop(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 3, 4)
	testimg.NeedRoot(tb(ts))
	if !testimg.HostHas(args[2]) {
		tb(ts).Skip("the host lacks the driver of", args[2])
	}
	opts := "loop,ro"
	if args[2] == "xfs" {
		opts += ",nouuid"
	}
	if len(args) > 3 {
		opts += "," + args[3]
	}
	file, dir := ts.MkAbs(args[1]), ts.MkAbs(".mnt-"+args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	_, err := testimg.Run("mount", "-t", args[2], "-o", opts, file, dir)
	ts.Check(err)
	ts.Value(keyLoops).(map[string]string)[file] = dir
	ts.Setenv(args[0], dir)
}

func cmdUnloop(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 1, 1)
	ts.Check(unloop(ts.Value(keyLoops).(map[string]string), ts.MkAbs(args[0])))
}

func unloop(loops map[string]string, file string) error {
	dir, ok := loops[file]
	if !ok {
		return errors.New(file + " is not mounted")
	}
	delete(loops, file)
	_, err := testimg.Run("umount", dir)
	return err
}

func cmdFsck(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 2, 2)
	testimg.Fsck(tb(ts), args[0], ts.MkAbs(args[1]))
}

func cmdSameTree(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 2, 10)
	diff, err := treeDiff(ts.MkAbs(args[0]), ts.MkAbs(args[1]), args[2:])
	ts.Check(err)
	if len(diff) > 0 {
		ts.Fatalf("%s and %s differ:\n%s", args[0], args[1], strings.Join(diff[:min(len(diff), 20)], "\n"))
	}
}

func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 2, 100)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 1, 1)
	path := ts.MkAbs(args[0])
	for range 3000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("nobody listens on %s", path)
}

func cmdUnchanged(ts *testscript.TestScript, neg bool, args []string) {
	arity(ts, neg, args, 1, 1)
	sum, err := testimg.Run("sha256sum", ts.MkAbs(args[0]))
	ts.Check(err)
	name := "SUM_" + strings.NewReplacer(".", "_", "/", "_").Replace(args[0])
	if old := ts.Getenv(name); old == "" {
		ts.Setenv(name, sum[:64])
	} else if old != sum[:64] {
		ts.Fatalf("%s has changed", args[0])
	}
}
