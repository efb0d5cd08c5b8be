package program

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// field returns the value that cpuinfo has of a name, of the first processor.
func field(cpuinfo, name string) string {
	for line := range strings.Lines(cpuinfo) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// The processor is the host's: programs choose by it which instructions to use.
func TestCPUInfo(t *testing.T) {
	host, err := os.ReadFile("/proc/cpuinfo")
	rig.Check(t, "reading", err)
	if name := field(string(host), "model name"); onHost(t, compile(t, "testdata/brand/brand.c")) != name {
		t.Skipf("the host's /proc/cpuinfo is not of its processor: %q", name)
	}
	got := open(t).run("/bin/cat", "/proc/cpuinfo")
	for _, name := range []string{"processor", "vendor_id", "cpu family", "model", "model name", "stepping", "clflush size"} {
		if g, w := field(got, name), field(string(host), name); g != w {
			t.Errorf("%s: %q, on the host %q", name, g, w)
		}
	}
	flags := strings.Fields(field(got, "flags"))
	of := strings.Fields(field(string(host), "flags"))
	for _, f := range strings.Fields("fpu tsc cx8 cmov mmx fxsr sse sse2 ht syscall nx lm pni ssse3 sse4_1 sse4_2 popcnt aes xsave avx f16c fma " +
		"rdrand abm lahf_lm movbe bmi1 avx2 bmi2 erms fsgsbase rdseed adx clflushopt clwb sha_ni avx512f avx512bw avx512vl vaes vpclmulqdq " +
		"rdpid sse4a constant_tsc nonstop_tsc rep_good nopl cpuid cx16 pclmulqdq") {
		if slices.Contains(flags, f) != slices.Contains(of, f) {
			t.Errorf("flag %s: %t, on the host %t", f, slices.Contains(flags, f), slices.Contains(of, f))
		}
	}
}

// Where the clock is fixed, it stands still in programs, whichever way they ask.
func TestFixedClock(t *testing.T) {
	at := time.Date(2031, 2, 3, 4, 5, 6, 789, time.UTC)
	g := open(t, unboot.Clock(at))
	g.put(compile(t, "testdata/still/still.c"), "/bin/still")
	if got, want := g.run("/bin/still"), "1927857906.000000789\n1927857906.000000789 1927857906.000000 1927857906\n1927857906.000000789\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestGoProgram(t *testing.T) {
	testimg.Need(t, "go")
	out := t.TempDir() + "/goprogram"
	testimg.MustRun(t, "go", "build", "-o", out, "testdata/goprogram/main.go")
	g := open(t)
	g.put(out, "/bin/goprogram")
	compare(t, g.run("/bin/goprogram"), onHost(t, out))
}

// Formats that a guest's root adds to those that can be executed.
func TestBinfmtMisc(t *testing.T) {
	got := open(t).run("/bin/sh", "-c", `mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
echo ':unboot:M::unboot-test::/bin/cat:' >/proc/sys/fs/binfmt_misc/register &&
echo unboot-test of a format >/tmp/x && chmod +x /tmp/x && /tmp/x
echo -1 >/proc/sys/fs/binfmt_misc/unboot; /tmp/x; rm /tmp/x`)
	wants(t, got, `^unboot-test of a format\n`, `not found`)
}

// An empty file is no program, as execve(2) says. The host is no oracle for it: some forbid it to
// be run at all.
func TestEmptyProgram(t *testing.T) {
	g := open(t)
	rig.Check(t, "writing", g.fs.WriteFile("bin/empty", nil, 0o755))
	wants(t, g.run("/bin/empty"), `(?i)exec format error`)
}

// unshare(1), as builders of packages use it.
func TestUnshare(t *testing.T) {
	g := openLarge(t)
	unshare := g.putProgram("unshare")
	wants(t, g.run(unshare, "-Urmpf", "--mount-proc", "/bin/sh", "-c", "cat /proc/self/uid_map; echo I am $$; mount -t tmpfs none /tmp && echo mounted"),
		`0 +0 +1\n`, `I am 1\n`, `mounted\n`)
}
