package lkl

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const header = "../kernel/arch/lkl/include/uapi/asm/lkl.h"

// TestABI compiles the definition of the interface and compares it with
// abi.go.
func TestABI(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no cc")
	}
	if _, err := os.Stat(header); err != nil {
		t.Skip("no kernel tree: ", err)
	}
	want := make(map[string]int64)
	for name, v := range abiConstants {
		want[name] = v
	}
	for i := range 6 {
		want[fmt.Sprintf("LKL_LINK_ARG(%d)", i)] = 1 << i
	}
	for name, v := range abiStructs {
		typ := reflect.TypeOf(v)
		want[fmt.Sprintf("sizeof(struct %s)", name)] = int64(typ.Size())
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Name == "_" {
				continue
			}
			field := snake(f.Name)
			want[fmt.Sprintf("__builtin_offsetof(struct %s, %s)", name, field)] = int64(f.Offset)
			want[fmt.Sprintf("sizeof(((struct %s *)0)->%s)", name, field)] = int64(f.Type.Size())
		}
	}

	var src bytes.Buffer
	fmt.Fprintf(&src, "#include <stdio.h>\n#include %q\nint main(void) {\n", abs(t, header))
	for expr := range want {
		fmt.Fprintf(&src, "printf(\"%%s=%%lld\\n\", %q, (long long)(%s));\n", expr, expr)
	}
	src.WriteString("return 0; }\n")
	dir := t.TempDir()
	must(t, "write", os.WriteFile(dir+"/a.c", src.Bytes(), 0o600))
	if out, err := exec.Command(cc, "-Wall", "-o", dir+"/a", dir+"/a.c").CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	out, err := exec.Command(dir + "/a").Output()
	must(t, "run", err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(want) {
		t.Errorf("%d lines of %d", len(lines), len(want))
	}
	for _, l := range lines {
		i := strings.LastIndexByte(l, '=')
		if got := strconv.FormatInt(want[l[:i]], 10); got != l[i+1:] {
			t.Errorf("%s is %s in C, %s in Go", l[:i], l[i+1:], got)
		}
	}

	// And nothing in the header is without its like here.
	text, err := os.ReadFile(header)
	must(t, "read", err)
	for _, m := range regexp.MustCompile(`(?m)^#define\s+(LKL_\w+)`).FindAllStringSubmatch(string(text), -1) {
		if _, ok := want[m[1]]; !ok && m[1] != "LKL_LINK_ARG" {
			t.Errorf("%s is not compared", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^struct (\w+) \{([^}]*)\}`).FindAllStringSubmatch(string(text), -1) {
		fields := len(regexp.MustCompile(`(?m)^\s*(__[us]\d+|char|struct \w+)\s+[a-z]`).FindAllString(m[2], -1))
		n := 0
		if v, ok := abiStructs[m[1]]; ok {
			typ := reflect.TypeOf(v)
			for i := range typ.NumField() {
				if typ.Field(i).Name != "_" {
					n++
				}
			}
		}
		if n != fields {
			t.Errorf("struct %s has %d fields in C, %d in Go", m[1], fields, n)
		}
	}
}

var abiStructs = map[string]any{
	"lkl_header": abiHeader{}, "lkl_ring": abiRing{}, "lkl_identity": abiIdentity{}, "lkl_call": abiCall{}, "lkl_link": abiLink{},
	"lkl_dirent": abiDirent{}, "lkl_disk": abiDisk{}, "lkl_hostcall": abiHostcall{}, "lkl_piece": abiPiece{}, "lkl_block": abiBlock{},
	"lkl_mount": abiMount{}, "lkl_exec": abiExec{}, "lkl_exit": abiExit{},
}

var abiConstants = map[string]int64{
	"LKL_MAGIC": abiMagic, "LKL_VERSION": abiVersion,
	"LKL_FD_WINDOW": fdWindow, "LKL_FD_EVENT": fdEvent, "LKL_FD_LOG": fdLog, "LKL_FD_CONTROL": fdControl,
	"LKL_FD_IMAGE":    fdImage,
	"LKL_WINDOW_BASE": windowBase, "LKL_WINDOW_SIZE": windowSize,
	"LKL_OFF_HEADER": offHeader, "LKL_OFF_CALL_RING": offCallRing, "LKL_OFF_BLOCK_RING": offBlockRing,
	"LKL_OFF_DONE_RING": offDoneRing, "LKL_OFF_CALLS": offCalls, "LKL_OFF_BLOCKS": offBlocks,
	"LKL_OFF_ARENA": offArena, "LKL_OFF_BOUNCE": offBounce,
	"LKL_CALLS": maxCalls, "LKL_BLOCKS": maxBlocks, "LKL_DISKS": maxDisks,
	"LKL_STATUS_START": statusStart, "LKL_STATUS_READY": statusReady,
	"LKL_STATUS_HALTED": statusHalted, "LKL_STATUS_PANIC": statusPanic,
	"LKL_FLAG_NO_SPIN": flagNoSpin, "LKL_FLAG_TESTING": flagTesting, "LKL_FLAG_BOOT": flagBoot, "LKL_FLAG_SNAPSHOT": flagSnapshot,
	"LKL_SANDBOX_SECCOMP": SANDBOX_SECCOMP, "LKL_SANDBOX_NO_NEW_PRIVS": SANDBOX_NO_NEW_PRIVS,
	"LKL_SANDBOX_NO_DUMP": SANDBOX_NO_DUMP, "LKL_SANDBOX_PDEATHSIG": SANDBOX_PDEATHSIG,
	"LKL_SANDBOX_CLOSED": SANDBOX_CLOSED, "LKL_SANDBOX_LANDLOCK": SANDBOX_LANDLOCK,
	"LKL_SANDBOX_NEWUSER": SANDBOX_NEWUSER, "LKL_SANDBOX_NEWNET": SANDBOX_NEWNET,
	"LKL_SANDBOX_NEWIPC": SANDBOX_NEWIPC, "LKL_SANDBOX_NEWNS": SANDBOX_NEWNS, "LKL_SANDBOX_NEWUTS": SANDBOX_NEWUTS,
	"LKL_EXIT_LOADER": exitLoader, "LKL_EXIT_SETUP": exitSetup, "LKL_EXIT_SANDBOX": exitSandbox, "LKL_EXIT_FAULT": exitFault, "LKL_EXIT_PANIC": exitPanic,
	"LKL_CMDLINE_SIZE": cmdlineSize,
	"LKL_CALL_FREE":    callFree, "LKL_CALL_POSTED": callPosted, "LKL_CALL_WAITED": callWaited, "LKL_CALL_DONE": callDone,
	"LKL_READDIR_LINK": READDIR_LINK, "LKL_READDIR_XATTR": READDIR_XATTR, "LKL_READDIR_ONCE": READDIR_ONCE,
	"LKL_CALL_AS": callAs, "LKL_GROUPS_MAX": groupsMax,
	"LKL_OP_CHAIN": opChain, "LKL_OP_READDIR": opReaddir, "LKL_OP_READ": opRead, "LKL_OP_WRITE": opWrite,
	"LKL_OP_DISK_ADD": opDiskAdd, "LKL_OP_DISK_DEL": opDiskDel, "LKL_OP_HALT": opHalt,
	"LKL_OP_HOSTCALL": opHostcall, "LKL_OP_LOCATE": opLocate, "LKL_OP_PANIC": opPanic,
	"LKL_OP_PROGRAMS": opPrograms, "LKL_OP_EXEC": opExec, "LKL_OP_WAIT": opWait, "LKL_OP_KILL": opKill,
	"LKL_PROGRAMS_UNIT": programsUnit, "LKL_CONTROL_SIZE": controlSize,
	"LKL_KILL_GROUP": killGroup, "LKL_KILL_ALL": killAll,
	"LKL_MOUNT_PROC": mountProc, "LKL_MOUNT_OPTIONAL": mountOptional,
	"LKL_EXEC_STRINGS": execStrings, "LKL_EXEC_WORDS": execWords, "LKL_EXEC_MOUNTS": execMounts,
	"LKL_HOSTNAME_SIZE": hostnameSize, "LKL_EXEC_TTY": execTTY,
	"LKL_CHAIN_MAX": chainMax, "LKL_LINK_ALWAYS": linkAlways, "LKL_STATX_SIZE": statxSize,
	"LKL_DISK_RDONLY": diskRdonly, "LKL_DISK_FD": diskFD, "LKL_DISK_OVERLAY": diskOverlay,
	"LKL_DISK_DISCARD": diskDiscard, "LKL_DISK_ZEROES": diskZeroes, "LKL_DISK_NOWAIT": diskNowait, "LKL_DISK_BLKDEV": diskBlkdev,
	"LKL_BLOCK_READ": blockRead, "LKL_BLOCK_WRITE": blockWrite, "LKL_BLOCK_FLUSH": blockFlush,
	"LKL_BLOCK_DISCARD": blockDiscard, "LKL_BLOCK_ZEROES": blockZeroes,
}

// snake makes "boot_ns" of "BootNs", and "id" of "ID".
func snake(name string) string {
	s := regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "${1}_$2")
	return strings.ToLower(s)
}

func abs(t *testing.T, path string) string {
	p, err := filepath.Abs(path)
	must(t, "abs", err)
	return p
}

// TestNumbers compares the system calls' numbers with the host's header, if it
// has one.
func TestNumbers(t *testing.T) {
	text, err := os.ReadFile("/usr/include/asm-generic/unistd.h")
	if err != nil {
		t.Skip(err)
	}
	src, err := os.ReadFile("nr.go")
	must(t, "read", err)
	n := 0
	for _, m := range regexp.MustCompile(`(?m)^\tsys(\w+)\s+= (\d+)`).FindAllStringSubmatch(string(src), -1) {
		name := snake(m[1])
		re := regexp.MustCompile(`(?m)^#define __NR(3264)?_` + name + `\s+(\d+)$`)
		d := re.FindStringSubmatch(string(text))
		if nr, _ := strconv.Atoi(m[2]); d == nil && nr > 424 && int(hostNr[int32(nr)]) == nr {
			// Younger than the header. New calls have the same number on every host.
			continue
		}
		if d == nil || d[2] != m[2] {
			t.Errorf("%s is %s here, %q there", name, m[2], d)
		}
		n++
	}
	if n < 50 {
		t.Errorf("%d numbers compared", n)
	}
}
